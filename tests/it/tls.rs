//! A TLS connection of each client in the binary, and no dependency that could bring a second provider.
//!
//! The sandbox speaks plain HTTP. Here a TLS gateway stands before each of its three services, with a certificate of an
//! authority that only `SSL_CERT_FILE` names.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rstest::rstest;
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::harness::*;

/// A name that only the proxy can resolve.
const PROXIED: &str = "slack.test";

/// An unknown authority, and its server certificate for `localhost` and [`PROXIED`].
struct Authority {
    pem: String,
    server: Arc<ServerConfig>,
}

impl Authority {
    fn new(name: &str) -> Authority {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        let key = KeyPair::generate().unwrap();
        let names = ["localhost", PROXIED].map(str::to_owned);
        let params = CertificateParams::new(names.to_vec()).unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )
            .unwrap();
        Authority {
            pem,
            server: Arc::new(server),
        }
    }
}

/// Accepts TLS before a service.
struct Gateway {
    /// `localhost:port`.
    authority: String,
    /// The numbers of completed and of failed handshakes.
    handshakes: watch::Receiver<(usize, usize)>,
}

impl Gateway {
    async fn before(service: SocketAddr, server: Arc<ServerConfig>) -> Gateway {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = format!("localhost:{}", listener.local_addr().unwrap().port());
        let (count, handshakes) = watch::channel((0, 0));
        let acceptor = TlsAcceptor::from(server);
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                let count = count.clone();
                tokio::spawn(async move {
                    let Ok(mut tls) = acceptor.accept(tcp).await else {
                        return count.send_modify(|(_, refused)| *refused += 1);
                    };
                    count.send_modify(|(done, _)| *done += 1);
                    let mut service = TcpStream::connect(service).await.unwrap();
                    // Any end is an end for both sides.
                    let _ = copy_bidirectional(&mut tls, &mut service).await;
                });
            }
        });
        Gateway {
            authority,
            handshakes,
        }
    }
}

/// How the daemon knows an authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// The system trusts it.
    BySystem,
    /// The system trusts another one, and `tls.ca_file` names it.
    ByConfiguration,
}

/// A daemon with https addresses only, which trusts no authority but `trusted`.
async fn behind_tls(
    server: &Authority,
    trusted: &Authority,
    known: Known,
) -> (Ivan, BTreeMap<&'static str, Gateway>) {
    let mut ivan = two_tasks().start().await;
    let mut gateways = BTreeMap::new();
    for (name, service, url, key) in [
        (
            "Slack",
            ivan.slack().front().address(),
            ivan.slack().api_url(),
            "IVAN__SLACK__API_URL",
        ),
        (
            "ClickUp",
            ivan.clickup().front().address(),
            ivan.clickup().api_url(),
            "IVAN__CLICKUP__API_URL",
        ),
        (
            "GitHub",
            ivan.github().front().address(),
            ivan.github().api_url(),
            "IVAN__GITHUB__API_URL",
        ),
    ] {
        let gateway = Gateway::before(service, Arc::clone(&server.server)).await;
        let url = url.replace(
            &format!("http://{service}"),
            &format!("https://{}", gateway.authority),
        );
        assert!(url.starts_with("https://localhost:"), "{url}");
        ivan.env(key, url);
        gateways.insert(name, gateway);
    }
    ivan.slack()
        .links_are_at(&format!("wss://{}", gateways["Slack"].authority));
    let file = ivan.folder().join("authority.pem");
    std::fs::write(&file, &trusted.pem).unwrap();
    let nothing = ivan.folder().join("no-certificates");
    std::fs::create_dir(&nothing).unwrap();
    match known {
        Known::BySystem => ivan.env("SSL_CERT_FILE", file),
        Known::ByConfiguration => {
            let system = ivan.folder().join("system.pem");
            std::fs::write(&system, Authority::new("the system's").pem).unwrap();
            ivan.env("SSL_CERT_FILE", system);
            ivan.env("IVAN__TLS__CA_FILE", file);
        }
    }
    ivan.env("SSL_CERT_DIR", nothing);
    (ivan, gateways)
}

#[rstest]
#[case::of_the_system(Known::BySystem)]
#[case::of_the_company(Known::ByConfiguration)]
#[tokio::test]
async fn every_client_of_the_daemon_speaks_tls(#[case] known: Known) {
    let authority = Authority::new("ours");
    let (mut ivan, gateways) = behind_tls(&authority, &authority, known).await;
    ivan.start().await;
    ivan.dm(ANA, "current").await.mentions("Renew cert");
    ivan.dm(ANA, "done")
        .await
        .replies("✓ Task completed in ClickUp: Renew cert. Next: Write the runbook");
    ivan.clickup().task("Renew cert").is("complete");
    ivan.dm(ANA, "create Fix login -s github")
        .await
        .replies("✓ Issue created in GitHub: Fix login (acme/widgets#1)");
    // The Web API and the link are two clients.
    for (name, least) in [("Slack", 2), ("ClickUp", 1), ("GitHub", 1)] {
        let gateway = &gateways[name];
        let (done, refused) = *gateway.handshakes.borrow();
        assert!(done >= least && refused == 0, "{name}: {done}, {refused}");
    }
    assert!(!ivan.log().contains("panicked"), "{}", ivan.log());
    if known == Known::ByConfiguration {
        let doctor = ivan.cli(&["doctor", "--json"]).await.out;
        assert!(!doctor.contains("certificate"), "{doctor}");
        std::fs::write(ivan.folder().join("authority.pem"), "no PEM\n").unwrap();
        let mut check = ivan.command(&["config", "check"]);
        let check = ran(check.env("IVAN__TLS__CA_FILE", "authority.pem")).await;
        assert_eq!(check.exit, 1, "{}", check.err);
        let told = "has no certificate; expected PEM with `-----BEGIN CERTIFICATE-----`";
        assert!(
            check.err.contains("tls.ca_file") && check.err.contains(told),
            "{}",
            check.err
        );
    }
    ivan.finish().await;
}

/// A company's proxy: it resolves one name, and forwards the traffic.
struct Proxy {
    address: SocketAddr,
    /// The first line of each request.
    asked: watch::Receiver<Vec<String>>,
}

impl Proxy {
    async fn knowing(name: String, there: SocketAddr) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (asks, asked) = watch::channel(Vec::new());
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let (asks, name) = (asks.clone(), name.clone());
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        match client.read_u8().await {
                            Ok(byte) => head.push(byte),
                            Err(_) => return,
                        }
                    }
                    let head = String::from_utf8(head).unwrap();
                    let line = head.lines().next().unwrap().to_owned();
                    let known = line == format!("CONNECT {name} HTTP/1.1");
                    asks.send_modify(|asked| asked.push(line));
                    if !known {
                        let no = b"HTTP/1.1 403 Forbidden\r\n\r\n";
                        return drop(client.write_all(no).await);
                    }
                    let mut server = TcpStream::connect(there).await.unwrap();
                    let yes = b"HTTP/1.1 200 Connection established\r\n\r\n";
                    client.write_all(yes).await.unwrap();
                    // Any end is an end for both sides.
                    let _ = copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        Proxy { address, asked }
    }
}

#[tokio::test]
async fn slack_is_reached_through_the_proxy_of_the_environment() {
    let authority = Authority::new("ours");
    let mut ivan = two_tasks().start().await;
    let service = ivan.slack().front().address();
    let gateway = Gateway::before(service, Arc::clone(&authority.server)).await;
    let there: SocketAddr = gateway
        .authority
        .replace("localhost", "127.0.0.1")
        .parse()
        .unwrap();
    let name = format!("{PROXIED}:{}", there.port());
    let proxy = Proxy::knowing(name.clone(), there).await;
    let url = ivan.slack().api_url();
    let url = url.replace(&format!("http://{service}"), &format!("https://{name}"));
    assert!(url.starts_with("https://slack.test:"), "{url}");
    ivan.env("IVAN__SLACK__API_URL", url);
    ivan.slack().links_are_at(&format!("wss://{name}"));
    let file = ivan.folder().join("authority.pem");
    std::fs::write(&file, &authority.pem).unwrap();
    ivan.env("SSL_CERT_FILE", file);
    for no in [
        "ALL_PROXY",
        "all_proxy",
        "https_proxy",
        "no_proxy",
        "HTTP_PROXY",
        "http_proxy",
    ] {
        ivan.env(no, "");
    }
    ivan.env("HTTPS_PROXY", format!("http://{}", proxy.address));
    ivan.env("NO_PROXY", "example.test");
    ivan.start().await;
    ivan.logs(&format!(
        "reaching Slack through a proxy proxy={}",
        proxy.address
    ))
    .await;
    ivan.dm(ANA, "current").await.mentions("Renew cert");
    ivan.dm(ANA, "done")
        .await
        .replies("✓ Task completed in ClickUp: Renew cert. Next: Write the runbook");
    // The Web API and the link; the proxy got no other request.
    let asked = proxy.asked.borrow().clone();
    assert!(asked.len() >= 2, "{asked:?}");
    let line = format!("CONNECT {name} HTTP/1.1");
    assert!(asked.iter().all(|asked| *asked == line), "{asked:?}");
    ivan.finish().await;
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_is_not_spoken_to() {
    let (mut ivan, mut gateways) = behind_tls(
        &Authority::new("theirs"),
        &Authority::new("ours"),
        Known::BySystem,
    )
    .await;
    ivan.launch().await;
    ivan.logs("cannot reach Slack (auth.test); retrying").await;
    ivan.logs("poll … source=clickup").await;
    ivan.logs("poll … source=github").await;
    for (name, gateway) in &mut gateways {
        let refused = gateway.handshakes.wait_for(|(_, refused)| *refused > 0);
        let (done, _) = *ivan.within(name, refused).await.unwrap();
        assert_eq!(done, 0, "{name}");
    }
    let status = ivan.cli(&["status"]).await.out;
    let reasons = status.lines().filter(|line| {
        line.contains("✗") && line.contains("invalid peer certificate: UnknownIssuer")
    });
    assert_eq!(reasons.count(), 3, "{status}");
    for front in [
        ivan.slack().front(),
        ivan.clickup().front(),
        ivan.github().front(),
    ] {
        assert_eq!(front.journal(), []);
    }
    ivan.finish().await;
}

#[test]
fn the_binary_has_one_of_each_and_no_other_tls() {
    let lock = include_str!("../../Cargo.lock");
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut lines = lock.lines();
    while let Some(line) = lines.next() {
        if let Some(name) = quoted(line, "name") {
            let version = lines.next().and_then(|line| quoted(line, "version"));
            versions
                .entry(name)
                .or_default()
                .push(version.expect("a version follows a name"));
        }
    }
    for name in [
        "axum",
        "h2",
        "hyper",
        "hyper-rustls",
        "hyper-util",
        "reqwest",
        "ring",
        "rusqlite",
        "rustls",
        "tokio",
        "tokio-rustls",
        "tokio-tungstenite",
        "tungstenite",
    ] {
        assert_eq!(
            versions.get(name).map(Vec::len),
            Some(1),
            "{name}: {:?}",
            versions.get(name)
        );
    }
    for name in [
        "aws-lc-rs",
        "aws-lc-sys",
        "native-tls",
        "openssl",
        "openssl-sys",
        // gRPC: traces go out by our own HTTP client.
        "tonic",
    ] {
        assert_eq!(versions.get(name), None, "{name}");
    }
}

/// The value of `key = "value"`.
fn quoted<'l>(line: &'l str, key: &str) -> Option<&'l str> {
    line.strip_prefix(key)?
        .strip_prefix(" = \"")?
        .strip_suffix('"')
}
