//! Bars of days as a picture: rectangles only, so that no font is needed. The message has the words.

use png::{BitDepth, ColorType, Compression, Encoder};

use crate::domain::stats::StatsDay;

/// The size of the picture, in pixels.
const WIDTH: usize = 720;
const HEIGHT: usize = 240;
/// The margins around the bars.
const SIDE: usize = 16;
const TOP: usize = 16;
const BOTTOM: usize = 20;
/// The least height of a bar, so that one of many is seen.
const LEAST: usize = 3;
/// The lines between the bottom and the top.
const LINES: usize = 4;

/// A colour, as its place in the palette.
#[derive(Clone, Copy)]
enum Colour {
    Paper,
    Line,
    Ground,
    Done,
    Created,
}

/// Red, green and blue of each colour. The two of the bars differ for people who cannot tell red from green, and in
/// brightness.
const PALETTE: [[u8; 3]; 5] = [
    [255, 255, 255],
    [226, 226, 226],
    [96, 96, 96],
    [18, 100, 163],
    [232, 145, 45],
];

/// The picture as PNG. `None` without a day, or if it cannot be written.
pub fn png(days: &[StatsDay]) -> Option<Vec<u8>> {
    let pixels = drawn(days)?;
    let mut file = Vec::new();
    let mut encoder = Encoder::new(
        &mut file,
        u32::try_from(WIDTH).ok()?,
        u32::try_from(HEIGHT).ok()?,
    );
    encoder.set_color(ColorType::Indexed);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_palette(PALETTE.concat());
    encoder.set_compression(Compression::High);
    let mut writer = encoder.write_header().ok()?;
    writer.write_image_data(&pixels).ok()?;
    writer.finish().ok()?;
    Some(file)
}

/// The places in the palette, row by row.
fn drawn(days: &[StatsDay]) -> Option<Vec<u8>> {
    let most = days.iter().map(|day| day.done.max(day.created)).max()?;
    let mut canvas = Canvas {
        pixels: vec![Colour::Paper as u8; WIDTH * HEIGHT],
    };
    let (height, ground) = (HEIGHT - TOP - BOTTOM, HEIGHT - BOTTOM);
    for line in 1..=LINES {
        let y = ground - height * line / LINES;
        canvas.fill(SIDE, y, WIDTH - 2 * SIDE, 1, Colour::Line);
    }
    let room = (WIDTH - 2 * SIDE) / days.len();
    let bar = (room * 2 / 5).max(1);
    for (number, day) in days.iter().enumerate() {
        let left = SIDE + number * room + (room - 2 * bar) / 2;
        for (x, count, colour) in [
            (left, day.done, Colour::Done),
            (left + bar, day.created, Colour::Created),
        ] {
            let tall = match count {
                0 => 0,
                count => (height * count as usize / most.max(1) as usize).max(LEAST),
            };
            canvas.fill(x, ground - tall, bar, tall, colour);
        }
        // A longer mark where a week begins.
        let mark = match chrono::Datelike::weekday(&day.day) {
            chrono::Weekday::Mon => 10,
            _ => 4,
        };
        canvas.fill(SIDE + number * room, ground, 2, mark, Colour::Ground);
    }
    canvas.fill(SIDE, ground, WIDTH - 2 * SIDE, 2, Colour::Ground);
    Some(canvas.pixels)
}

struct Canvas {
    pixels: Vec<u8>,
}

impl Canvas {
    /// Fills a rectangle. Pixels outside of the picture do not count.
    fn fill(&mut self, x: usize, y: usize, width: usize, height: usize, colour: Colour) {
        for row in y..(y + height).min(HEIGHT) {
            let (begin, end) = (row * WIDTH + x, row * WIDTH + (x + width).min(WIDTH));
            if let Some(pixels) = self.pixels.get_mut(begin..end) {
                pixels.fill(colour as u8);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(counts: &[(u32, u32)]) -> Vec<StatsDay> {
        let first: chrono::NaiveDate = "2026-11-24".parse().unwrap();
        let days = first.iter_days().zip(counts);
        days.map(|(day, (done, created))| StatsDay {
            day,
            done: *done,
            created: *created,
        })
        .collect()
    }

    /// The pixels of the file, decoded again, as colours of the palette.
    fn decoded(file: &[u8]) -> Vec<u8> {
        let mut reader = png::Decoder::new(std::io::Cursor::new(file))
            .read_info()
            .unwrap();
        let info = reader.info();
        assert_eq!((info.width, info.height), (720, 240));
        assert_eq!(info.palette.as_deref(), Some(&*PALETTE.concat()));
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let frame = reader.next_frame(&mut pixels).unwrap();
        pixels.truncate(frame.buffer_size());
        pixels
    }

    /// How many pixels of a column have a colour.
    fn tall(pixels: &[u8], x: usize, colour: Colour) -> usize {
        let column = pixels.iter().skip(x).step_by(WIDTH);
        column.filter(|pixel| **pixel == colour as u8).count()
    }

    #[test]
    fn each_day_has_a_bar_of_its_height_and_the_picture_is_small() {
        let file = png(&days(&[
            (4, 2),
            (0, 0),
            (1, 0),
            (0, 1),
            (2, 4),
            (3, 3),
            (4, 0),
        ]))
        .unwrap();
        assert!(file.starts_with(b"\x89PNG\r\n\x1a\n"));
        assert!(file.len() < 4_000, "{}", file.len());
        let pixels = decoded(&file);
        let room = (720 - 2 * SIDE) / 7;
        let at = |day: usize, second: bool| {
            let bar = room * 2 / 5;
            SIDE + day * room + (room - 2 * bar) / 2 + bar / 2 + if second { bar } else { 0 }
        };
        assert_eq!(tall(&pixels, at(0, false), Colour::Done), 204);
        assert_eq!(tall(&pixels, at(0, true), Colour::Created), 102);
        assert_eq!(tall(&pixels, at(1, false), Colour::Done), 0);
        assert_eq!(tall(&pixels, at(2, false), Colour::Done), 51);
        assert_eq!(tall(&pixels, at(6, true), Colour::Created), 0);
    }

    #[test]
    fn one_of_very_many_is_seen() {
        let mut counts = vec![(0, 0); 30];
        counts[3] = (50_000, 0);
        counts[4] = (1, u32::MAX);
        let pixels = decoded(&png(&days(&counts)).unwrap());
        let seen = |colour: Colour| pixels.iter().filter(|one| **one == colour as u8).count();
        assert!(seen(Colour::Done) >= 2 * LEAST && seen(Colour::Created) >= 204);
    }

    #[test]
    fn without_days_there_is_no_picture_and_without_counts_no_bar() {
        assert_eq!(png(&[]), None);
        let pixels = decoded(&png(&days(&[(0, 0); 7])).unwrap());
        assert!(pixels.iter().all(|one| *one < Colour::Done as u8));
    }
}
