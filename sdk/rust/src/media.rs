//! Files that clients send as text.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Base64 as clients write it: padded or not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The bytes that base64 stands for. White space in it does not count. The error says what is wrong with it.
pub fn base64(text: &str) -> Result<Vec<u8>, String> {
    let bytes = match text.contains(|char: char| char.is_ascii_whitespace()) {
        false => BASE64.decode(text),
        true => BASE64.decode(text.split_ascii_whitespace().collect::<String>()),
    };
    match bytes {
        Ok(bytes) if bytes.is_empty() => Err("it is empty".to_owned()),
        Ok(bytes) => Ok(bytes),
        Err(error) => Err(format!("it is no base64: {error}")),
    }
}

/// The bytes in a `data:` URL, such as `data:image/png;base64,iVBO...`. The error says what is wrong with it.
pub fn data_url(url: &str) -> Result<Vec<u8>, String> {
    let scheme = url.get(..5).filter(|scheme| scheme.eq_ignore_ascii_case("data:"));
    let Some((head, data)) = scheme.and_then(|_| url[5..].split_once(',')) else {
        return Err(
            "this server fetches nothing from elsewhere, so give the image itself as a URL that begins with \
                    \"data:image/png;base64,\" or the like"
                .to_owned(),
        );
    };
    let encoded = head.rsplit(';').next().is_some_and(|last| last.trim().eq_ignore_ascii_case("base64"));
    if !encoded {
        return Err("a data: URL has to say \";base64\" in front of its comma".to_owned());
    }
    base64(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_as_clients_write_it() {
        for text in ["aGk=", "aGk", "aG\nk=\r\n", " aGk = "] {
            assert_eq!(base64(text).as_deref(), Ok(&b"hi"[..]), "{text}");
        }
        assert!(base64("a-_k").is_err_and(|why| why.starts_with("it is no base64")));
        assert!(base64("").is_err_and(|why| why == "it is empty"));
    }

    #[test]
    fn urls_have_their_data_in_them() {
        for url in ["data:image/png;base64,aGk=", "DATA:;base64,aGk", "data:image/png;a=b; BASE64,aGk"] {
            assert_eq!(data_url(url).as_deref(), Ok(&b"hi"[..]), "{url}");
        }
        let refused = |url: &str, why: &str| {
            assert!(data_url(url).is_err_and(|error| error.contains(why)), "{url}");
        };
        for url in ["https://example.com/a.png", "http://localhost/a", "file:///etc/passwd", "", "dat", "ü"]
        {
            refused(url, "fetches nothing");
        }
        refused("data:image/png,aGk=", "say \";base64\"");
        refused("data:image/png;base64,%", "no base64");
        refused("data:image/png;base64,", "is empty");
    }
}
