//! The addresses of a GitHub: its pages, and the API that belongs to them (docs/contracts/github.md#enterprise-server).

/// The pages of github.com.
pub const GITHUB: &str = "https://github.com";
/// The API of github.com.
const GITHUB_API: &str = "https://api.github.com";
/// Companies with data residency have a subdomain here.
const RESIDENCY: &str = ".ghe.com";
/// The path of the API on a GitHub Enterprise Server.
const SERVER_API: &str = "/api/v3";

/// The base of the API for pages at this origin, without a slash at its end.
pub fn api_of(pages: &str) -> String {
    let host = host_of(pages);
    if is_github(pages) {
        return GITHUB_API.to_owned();
    }
    match is_residency(pages) {
        true => format!("https://api.{host}"),
        false => format!("{pages}{SERVER_API}"),
    }
}

/// The address of the pages that belong to an API. Any API that is none of the known kinds is that of a proxy or a
/// sandbox, whose pages are those of github.com.
pub fn pages_of(api: &str) -> String {
    let api = api.trim_end_matches('/');
    let server = api.strip_suffix(SERVER_API).map(str::to_owned);
    let subdomain = api.strip_prefix("https://api.");
    let subdomain = subdomain.map(|host| format!("https://{host}"));
    server.or(subdomain).unwrap_or_else(|| GITHUB.to_owned())
}

/// The origin that an address of an API or of a page stands for, if it is not one itself: `https://host/api/v3` and
/// `https://host/owner` → `https://host`.
pub fn origin_of(address: &str) -> Option<String> {
    let (scheme, rest) = address.split_once("://")?;
    let host = rest.split('/').next()?;
    let is_api = is_residency(address) || host.eq_ignore_ascii_case("api.github.com");
    let pages = host.strip_prefix("api.").filter(|_| is_api);
    let origin = format!("{scheme}://{}", pages.unwrap_or(host));
    (origin != address).then_some(origin)
}

/// Whether the pages are on a GitHub Enterprise Server.
pub fn is_server(pages: &str) -> bool {
    !is_github(pages) && !is_residency(pages)
}

/// The host of an address, with its port if it names one.
pub fn host_of(address: &str) -> &str {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

/// Whether this host has these pages.
pub fn has_pages(host: &str, pages: &str) -> bool {
    let bare = |host: &str| {
        let host = host.to_ascii_lowercase();
        host.strip_prefix("www.").unwrap_or(&host).to_owned()
    };
    bare(host) == bare(host_of(pages))
}

fn is_github(pages: &str) -> bool {
    has_pages(host_of(pages), GITHUB)
}

fn is_residency(address: &str) -> bool {
    host_of(address).to_ascii_lowercase().ends_with(RESIDENCY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("https://github.com", "https://api.github.com")]
    #[case("https://GitHub.com", "https://api.github.com")]
    #[case("https://git.acme.test", "https://git.acme.test/api/v3")]
    #[case("https://git.acme.test:8443", "https://git.acme.test:8443/api/v3")]
    #[case("http://127.0.0.1:4000", "http://127.0.0.1:4000/api/v3")]
    #[case("https://acme.ghe.com", "https://api.acme.ghe.com")]
    #[case("https://notghe.com", "https://notghe.com/api/v3")]
    fn the_api_follows_from_the_pages(#[case] pages: &str, #[case] api: &str) {
        assert_eq!(api_of(pages), api);
        assert_eq!(is_server(pages), api.ends_with("/api/v3"));
    }

    #[rstest]
    #[case("https://api.github.com", "https://github.com")]
    #[case("https://api.github.com/", "https://github.com")]
    #[case("https://git.acme.test/api/v3", "https://git.acme.test")]
    #[case("https://api.acme.ghe.com", "https://acme.ghe.com")]
    #[case("http://127.0.0.1:4000", "https://github.com")]
    fn pages_are_on_the_host_of_the_api(#[case] api: &str, #[case] pages: &str) {
        assert_eq!(pages_of(api), pages);
    }

    #[rstest]
    #[case("https://github.com", None)]
    #[case("https://github.com/acme", Some("https://github.com"))]
    #[case("https://api.github.com", Some("https://github.com"))]
    #[case("https://git.acme.test/api/v3", Some("https://git.acme.test"))]
    #[case("https://api.acme.ghe.com", Some("https://acme.ghe.com"))]
    #[case("https://api.acme.test", None)]
    fn the_origin_behind_an_address_is_known(#[case] address: &str, #[case] origin: Option<&str>) {
        assert_eq!(origin_of(address).as_deref(), origin);
    }

    #[rstest]
    #[case("github.com", GITHUB, true)]
    #[case("www.GitHub.com", GITHUB, true)]
    #[case("git.acme.test", GITHUB, false)]
    #[case("git.acme.test:8443", "https://git.acme.test:8443", true)]
    #[case("git.acme.test", "https://git.acme.test:8443", false)]
    fn a_host_has_the_pages_of_its_address(
        #[case] host: &str,
        #[case] pages: &str,
        #[case] has: bool,
    ) {
        assert_eq!(has_pages(host, pages), has);
    }
}
