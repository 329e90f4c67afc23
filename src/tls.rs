//! The TLS configuration of all clients. The system's certificates are read once, ahead of the first client of an https
//! address, and not at all if there is none.

use std::sync::{Arc, Mutex};

use hyper_rustls::ConfigBuilderExt;
use rustls::ClientConfig;
use rustls::crypto::ring::default_provider;

use crate::runtime::lock;

static SHARED: Mutex<Option<Arc<ClientConfig>>> = Mutex::new(None);

/// The configuration that trusts the certificates of this system. Clones share them.
///
/// # Errors
/// None can be read, which is tried again next time.
pub(crate) fn with_system_certificates() -> Result<Arc<ClientConfig>, String> {
    let mut shared = lock(&SHARED);
    if let Some(config) = &*shared {
        return Ok(Arc::clone(config));
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let builder = builder.with_native_roots().map_err(|error| {
        format!("no root certificates of this system can be read: {error}; install ca-certificates")
    })?;
    let config = Arc::new(builder.with_no_client_auth());
    *shared = Some(Arc::clone(&config));
    Ok(config)
}

/// Reads the certificates on a thread of its own. A client that needs them meanwhile waits for it.
pub(crate) fn read_ahead() {
    // After an error, the client reads them again and reports it.
    let read = || drop(with_system_certificates());
    let _ = std::thread::Builder::new()
        .name("certificates".into())
        .spawn(read);
}

/// A configuration without certificates, for clients of plain http: it works where none are installed.
pub(crate) fn without_certificates() -> Result<ClientConfig, String> {
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let roots = rustls::RootCertStore::empty();
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
