//! From the file of an image to its pixels.
//!
//! llama.cpp's helper would do this too, but hands what it cannot read to another program. The decoders here are Rust
//! alone, and know before they begin how much they will take.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage};
use inferno_backend::Error;

/// Pixels along one side.
const LONGEST: u32 = 16_384;
/// Pixels of the whole image.
const MOST: u64 = 64 << 20;
/// How many times longer than the other one side may be: models look at squares or little else.
const SLIMMEST: u32 = 200;
/// Bytes that a decoder may take.
const MEMORY: u64 = 1 << 30;

/// The pixels of an image, upright; of one that moves, those of the first moment. `number` names it in the error.
pub(crate) fn decode(number: usize, bytes: &[u8]) -> Result<RgbImage, Error> {
    read(bytes).map_err(|error| {
        let message = format!("image {number} cannot be looked at: {}", error.message);
        Error { message, ..error }
    })
}

fn read(bytes: &[u8]) -> Result<RgbImage, Error> {
    let broken = |error: image::ImageError| Error::invalid(format!("it is damaged or cut off: {error}"));
    let format = image::guess_format(bytes).ok().filter(ImageFormat::reading_enabled);
    let format = format.ok_or_else(|| {
        Error::invalid("it is none of PNG, JPEG, GIF, WebP and BMP").hint("convert it to one of these")
    })?;
    let mut limits = Limits::default();
    limits.max_alloc = Some(MEMORY);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits.clone());
    let mut decoder = reader.into_decoder().map_err(broken)?;
    let (width, height) = decoder.dimensions();
    check_size(width, height)?;
    decoder.set_limits(limits).map_err(broken)?;
    let upright = decoder.orientation().map_err(broken)?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(broken)?;
    image.apply_orientation(upright);
    Ok(image.into_rgb8())
}

fn check_size(width: u32, height: u32) -> Result<(), Error> {
    let (short, long) = (width.min(height), width.max(height));
    let why = if short == 0 {
        "has no pixels"
    } else if long > LONGEST || u64::from(width) * u64::from(height) > MOST {
        "is too large"
    } else if long / short > SLIMMEST {
        "is too slim"
    } else {
        return Ok(());
    };
    Err(Error::invalid(format!("with {width} x {height} pixels it {why}")).hint(format!(
        "send at most {LONGEST} pixels each way, {} million together, and no side {SLIMMEST} times as long as the other",
        MOST >> 20
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
        let image = RgbImage::from_fn(width, height, |x, y| image::Rgb([x as u8, y as u8, 7]));
        let mut bytes = Cursor::new(Vec::new());
        image.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn every_format_is_read() {
        for format in [ImageFormat::Png, ImageFormat::Bmp, ImageFormat::Gif, ImageFormat::WebP] {
            let image = decode(1, &encoded(5, 3, format)).unwrap();
            assert_eq!(image.dimensions(), (5, 3));
            assert_eq!(image.get_pixel(4, 2).0, [4, 2, 7], "{format:?}");
        }
        let image = decode(1, &encoded(5, 3, ImageFormat::Jpeg)).unwrap();
        assert_eq!(image.dimensions(), (5, 3));
    }

    #[test]
    fn what_is_no_image_is_refused_by_its_number() {
        let whole = encoded(64, 64, ImageFormat::Png);
        for (bytes, why) in [
            (&b""[..], "none of PNG"),
            (b"<svg/>", "none of PNG"),
            (b"RIFF\x24\0\0\0WAVEfmt ", "none of PNG"),
            (&whole[..whole.len() / 2], "damaged or cut off"),
            (&whole[..12], "damaged or cut off"),
        ] {
            let error = decode(2, bytes).unwrap_err();
            assert!(error.message.starts_with("image 2 cannot be looked at: "), "{error}");
            assert!(error.message.contains(why), "{error}");
        }
    }

    /// What the file promises is enough to refuse it.
    #[test]
    fn what_is_too_large_is_refused_before_it_is_read() {
        let promising = |width: u32, height: u32| {
            let mut png = encoded(1, 1, ImageFormat::Png);
            png[16..20].copy_from_slice(&width.to_be_bytes());
            png[20..24].copy_from_slice(&height.to_be_bytes());
            let sum = crc32(&png[12..29]);
            png[29..33].copy_from_slice(&sum.to_be_bytes());
            decode(1, &png).unwrap_err().message
        };
        assert!(promising(16_385, 16_385).contains("16385 x 16385 pixels it is too large"));
        assert!(promising(16_384, 8_192).contains("too large"));
        assert!(promising(4_000, 10).contains("too slim"));
        assert!(promising(60, 60).contains("damaged or cut off"));
    }

    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0, |sum, byte| {
            (0..8)
                .fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg()))
        })
    }
}
