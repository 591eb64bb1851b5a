//! Requests to other machines: only where ask and grant agree, and never to the inside of this machine or its network
//! by a name that somebody else decides about.

use std::sync::Arc;

use inferno_sandbox::{Plugin, Size, Span};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::guests::{PROBE, PROXY, guest};
use crate::lab::{Lab, ask, manifest, ok};
use crate::log::Captured;
use crate::web::{Told, Web};

fn probe(lab: &Lab, site: &str) -> Plugin {
    probe_of(lab, site, site)
}

fn probe_of(lab: &Lab, asked: &str, granted: &str) -> Plugin {
    lab.granted(
        &format!("[asks]\nhttp = ['{asked}']"),
        &format!("[[grant]]\nplugin = 'probe'\ndigest = 'DIGEST'\nhttp = ['{granted}']"),
    )
}

async fn refused(probe: &Plugin, url: &str) -> String {
    let (status, text) = ask(probe, &format!("/probe/fetch?url={url}"), "").await.unwrap();
    assert_eq!(status, 409, "{url}: {text}");
    text
}

fn naming(names: &[(&'static str, &[&str])]) -> (Lab, Told) {
    let told = Told::new(names);
    let lab = Lab::serving(|_, services| services.network.names = Arc::new(told.clone()));
    (lab, told)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_reaches_what_was_granted() {
    let (lab, web) = (Lab::new(), Web::start().await);
    let port = web.port;
    let probe = probe(&lab, &format!("http://localhost:{port}"));
    let url = format!("http://localhost:{port}/hello");
    assert_eq!(
        ok(&probe, &format!("/probe/fetch?url={url}"), "").await,
        format!("200  hello localhost:{port}")
    );
    let literal = self::probe(&lab, &format!("http://127.0.0.1:{port}"));
    ok(&literal, &format!("/probe/fetch?url=http://127.0.0.1:{port}/hello"), "").await;
    assert_eq!(web.requests(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_on_both_lists_is_denied() {
    let (lab, web) = (Lab::new(), Web::start().await);
    let (port, other) = (web.port, web.port.wrapping_add(1));
    let here = format!("http://localhost:{port}");
    for (asked, granted) in [
        (here.as_str(), "http://localhost"),
        ("http://localhost", here.as_str()),
        (&here, &format!("http://127.0.0.1:{port}")),
        (&here, &format!("https://localhost:{port}")),
        (&here, &format!("http://localhost:{other}")),
        (&here, "https://*.example.com"),
    ] {
        let probe = probe_of(&lab, asked, granted);
        assert_eq!(refused(&probe, &format!("{here}/hello")).await, "ErrorCode::HttpRequestDenied");
    }
    let probe = probe(&lab, &here);
    for url in [
        format!("https://localhost:{port}/hello"),
        format!("http://localhost:{other}/hello"),
        format!("http://127.0.0.1:{port}/hello"),
        format!("http://[::1]:{port}/hello"),
        format!("http://x.localhost:{port}/hello"),
        format!("http://localhost.:{other}/hello"),
        format!("ftp://localhost:{port}/hello"),
        format!("http://user@localhost:{port}/hello"),
        format!("http://2130706433:{port}/hello"),
    ] {
        refused(&probe, &url).await;
    }
    refused(&probe, &format!("{here}/hello&method=CONNECT")).await;
    refused(&probe, &format!("{here}/hello&authority=localhost:{port}%40evil.example")).await;
    assert_eq!(web.requests(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_sites_that_the_user_names_a_plugin_reaches_those_only() {
    let (web, other) = (Web::start().await, Web::start().await);
    let here = format!("http://localhost:{}", web.port);
    let (lab, told) = naming(&[("localhost", &["127.0.0.1"]), ("api.example.com", &["127.0.0.1"])]);
    let open = manifest("probe", "[roles.http]\nmounts = ['/probe']", "[asks]\nhttp = ['*']");
    let bundled = lab.load(&open, guest(PROBE)).unwrap();
    assert_eq!(refused(&bundled, &format!("{here}/hello")).await, "ErrorCode::HttpRequestDenied");
    let probe = probe_of(&lab, "*", &here);
    ok(&probe, &format!("/probe/fetch?url={here}/hello"), "").await;
    for url in
        [format!("http://localhost:{}/hello", other.port), format!("http://127.0.0.1:{}/hello", web.port)]
    {
        assert_eq!(refused(&probe, &url).await, "ErrorCode::HttpRequestDenied", "{url}");
    }
    assert_eq!((web.requests(), other.requests(), told.asked()), (1, 0, 1));
    // A name that somebody else decides about does not become the inside by being named.
    let named = format!("http://api.example.com:{}", web.port);
    let probe = probe_of(&lab, "*", &named);
    assert_eq!(refused(&probe, &format!("{named}/hello")).await, "ErrorCode::DestinationIpProhibited");
    assert_eq!(web.requests(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_stands_for_the_inside_is_refused() {
    let web = Web::start().await;
    let port = web.port;
    let addresses: [&[&str]; 7] = [
        &["127.0.0.1"],
        &["8.8.8.8", "127.0.0.1"],
        &["169.254.169.254"],
        &["fd00:ec2::254"],
        &["::ffff:127.0.0.1"],
        &["10.0.0.1"],
        &["0.0.0.0"],
    ];
    for addresses in addresses {
        let (lab, told) = naming(&[("api.example.com", addresses)]);
        let probe = probe(&lab, &format!("http://api.example.com:{port}"));
        let text = refused(&probe, &format!("http://api.example.com:{port}/hello")).await;
        assert_eq!(text, "ErrorCode::DestinationIpProhibited", "{addresses:?}");
        assert_eq!(told.asked(), 1);
    }
    let (lab, _) = naming(&[("localhost", &["10.0.0.1"])]);
    let probe = probe(&lab, &format!("http://localhost:{port}"));
    let text = refused(&probe, &format!("http://localhost:{port}/hello")).await;
    assert_eq!(text, "ErrorCode::DestinationIpProhibited");
    assert_eq!(web.requests(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_looked_up_once_for_check_and_connection() {
    let web = Web::start().await;
    let (lab, told) = naming(&[("localhost", &["127.0.0.1"])]);
    let probe = probe(&lab, &format!("http://localhost:{}", web.port));
    for requests in 1..=2 {
        ok(&probe, &format!("/probe/fetch?url=http://localhost:{}/hello", web.port), "").await;
        assert_eq!((told.asked(), web.requests()), (requests, requests));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_are_the_plugins_business_and_checked_like_any_request() {
    let (lab, web) = (Lab::new(), Web::start().await);
    let here = format!("http://localhost:{}", web.port);
    let inside = format!("http://127.0.0.1:{}/hello", web.port);
    let probe = probe(&lab, &here);
    let text = ok(&probe, &format!("/probe/fetch?url={here}/to/{inside}"), "").await;
    assert_eq!(text, format!("302 {inside} "));
    assert_eq!(web.requests(), 1);
    assert_eq!(refused(&probe, &inside).await, "ErrorCode::HttpRequestDenied");
    assert_eq!(web.requests(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_bounded_in_time_and_size() {
    let web = Web::start().await;
    let here = format!("http://localhost:{}", web.port);
    let lab = Lab::serving(|_, services| {
        services.network.first_byte = Span::seconds(3600);
        services.network.response = Size(1000);
    });
    let probe = probe(&lab, &here);
    // A plugin may ask for less time than it could have.
    let text = refused(&probe, &format!("{here}/slow&first-byte-ms=50")).await;
    assert_eq!(text, "ErrorCode::ConnectionReadTimeout");
    let text = refused(&probe, &format!("{here}/large")).await;
    assert_eq!(text, "ErrorCode::HttpResponseBodySize(Some(1000))");
    ok(&probe, &format!("/probe/fetch?url={here}/hello"), "").await;

    let lab =
        Lab::serving(|_, services| services.network.first_byte = Span(std::time::Duration::from_millis(50)));
    let probe = self::probe(&lab, &here);
    let text = refused(&probe, &format!("{here}/slow&first-byte-ms=3600000")).await;
    assert_eq!(text, "ErrorCode::ConnectionReadTimeout");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_answer_is_an_error_for_the_plugin() {
    let (lab, _) = naming(&[]);
    let probe = probe(&lab, "http://nobody.example");
    let text = refused(&probe, "http://nobody.example/").await;
    assert!(text.starts_with("ErrorCode::DnsError"), "{text}");

    let lab = Lab::new();
    // Nobody listens on port 1.
    let probe = self::probe(&lab, "http://localhost:1");
    let text = refused(&probe, "http://localhost:1/").await;
    assert_eq!(text, "ErrorCode::ConnectionRefused");
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_spoken_with_those_who_can_prove_their_name() {
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = own.cert.der().to_vec();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(own.signing_key.serialize_der()));
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![CertificateDer::from(certificate.clone())], key)
        .unwrap();
    let web = Web::start_tls(TlsAcceptor::from(Arc::new(config))).await;
    let here = format!("https://localhost:{}", web.port);

    let stranger = probe(&Lab::new(), &here);
    assert_eq!(refused(&stranger, &format!("{here}/hello")).await, "ErrorCode::TlsCertificateError");
    assert_eq!(web.requests(), 0);

    let lab = Lab::serving(|_, services| {
        services.network = std::mem::take(&mut services.network).trusting(vec![certificate]);
    });
    let text = ok(&probe(&lab, &here), &format!("/probe/fetch?url={here}/hello"), "").await;
    assert_eq!(text, format!("200  hello localhost:{}", web.port));
    // The certificate is for the name and not for the address.
    let address = format!("https://127.0.0.1:{}", web.port);
    let text = refused(&probe(&lab, &address), &format!("{address}/hello")).await;
    assert_eq!(text, "ErrorCode::TlsCertificateError");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_made_for_wasi_0_2_is_bound_by_the_same_rules() {
    let (lab, web) = (Lab::new(), Web::start().await);
    let authority = format!("localhost:{}", web.port);
    let proxy = |asks: &str| {
        let manifest = manifest("proxy", "[roles.http]\nmounts = ['/proxy']", asks);
        lab.load(&manifest, guest(PROXY)).unwrap()
    };
    let call = format!("/proxy/fetch/{authority}/hello");
    let (status, text) = ask(&proxy(""), &call, "").await.unwrap();
    assert_eq!(status, 409);
    assert!(text.contains("HttpRequestDenied"), "{text}");
    assert_eq!(web.requests(), 0);
    let text = ok(&proxy(&format!("[asks]\nhttp = ['http://{authority}']")), &call, "").await;
    assert_eq!(text, format!("200 hello {authority}"));
}

// One thread, so that the subscriber of this thread hears everything.
#[tokio::test]
async fn the_log_says_what_would_allow_it() {
    let captured = Captured::default();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(captured.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let (lab, _) = naming(&[("api.example.com", &["127.0.0.1"])]);
    let here = "http://api.example.com";
    refused(&probe_of(&lab, here, "http://other.example.com"), here).await;
    refused(&probe(&lab, here), here).await;
    refused(&probe_of(&lab, "*", here), here).await;
    let text = captured.text();
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("inferno::denied")).collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(
        lines[2].contains(
            "grant the address itself, and have it send to that: http = [\\\"http://127.0.0.1\\\"]"
        ),
        "{}",
        lines[2]
    );
    assert!(lines[0].contains("which needs requests to http://api.example.com: its manifest asks for it, but the user has not granted it"), "{}", lines[0]);
    assert!(
        lines[0].contains("http = [\\\"http://other.example.com\\\", \\\"http://api.example.com\\\"]"),
        "{}",
        lines[0]
    );
    for (line, code) in lines.iter().zip(["HTTP-request-denied", "destination-IP-prohibited"]) {
        assert!(line.contains(&format!("; it was told {code}")), "{line}");
    }
    assert!(lines[1].contains("which stands for 127.0.0.1, an address of this machine"), "{}", lines[1]);
    assert!(lines[1].contains("http = [\\\"http://127.0.0.1\\\"]"), "{}", lines[1]);
}
