//! The TLS configuration of all clients. The system's certificates are read once, ahead of the first client of an https
//! address, and not at all if there is none. Those of `tls.ca_file` are trusted too.

use std::path::Path;
use std::sync::{Arc, Mutex};

use rustls::crypto::ring::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use crate::runtime::lock;

static SHARED: Mutex<Option<Arc<ClientConfig>>> = Mutex::new(None);
static ALSO_TRUSTED: Mutex<Vec<CertificateDer<'static>>> = Mutex::new(Vec::new());

/// Lets later clients trust the certificates of this file of PEM too (`tls.ca_file`).
///
/// # Errors
/// The file cannot be read, or has no certificate of an authority. The text names the file.
pub(crate) fn also_trust(file: &Path) -> Result<(), String> {
    let wrong = |why: String| format!("tls.ca_file ({}): {why}", file.display());
    let read = CertificateDer::pem_file_iter(file).map_err(|error| wrong(error.to_string()))?;
    let read: Result<Vec<CertificateDer<'static>>, _> = read.collect();
    let certificates = read.map_err(|error| wrong(error.to_string()))?;
    let mut probe = RootCertStore::empty();
    for certificate in &certificates {
        probe
            .add(certificate.clone())
            .map_err(|error| wrong(error.to_string()))?;
    }
    if probe.is_empty() {
        return Err(wrong(
            "has no certificate; expected `-----BEGIN CERTIFICATE-----`".to_owned(),
        ));
    }
    *lock(&ALSO_TRUSTED) = certificates;
    *lock(&SHARED) = None;
    Ok(())
}

/// The configuration that trusts the certificates of this system, and of [`also_trust`]. Clones share them.
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
    let of_the_system = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(of_the_system.certs);
    roots.add_parsable_certificates(lock(&ALSO_TRUSTED).iter().cloned());
    if roots.is_empty() {
        let errors: Vec<String> = of_the_system
            .errors
            .iter()
            .map(ToString::to_string)
            .collect();
        return Err(format!(
            "no root certificates of this system can be read{}{}; install ca-certificates",
            if errors.is_empty() { "" } else { ": " },
            errors.join(", ")
        ));
    }
    let config = Arc::new(builder.with_root_certificates(roots).with_no_client_auth());
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
    let roots = RootCertStore::empty();
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
