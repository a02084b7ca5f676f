//! ZTF's stamps: gzipped FITS images of 63 × 63 pixels of 32-bit floats.
//!
//! To compress 20 kB takes longer than all other work for an alert. Therefore the upper and lower thirds of a stamp are chunks of noise that
//! were compressed once, drawn from [`CHUNKS_PER_IMAGE`] chunks for each image, and only the rows through the source are new for each
//! stamp, as a stored block. A deflate stream may be assembled from chunks that end on a byte boundary (RFC 1951, section 3.2.4).

use flate2::{Compress, Compression, Crc, FlushCompress};

use crate::simulate::fits::{self, Header};
use crate::simulate::noise::{Noise, point_source};
use crate::simulate::rng::{AlertRng, Purpose};

/// Pixels along a side.
const SIDE: usize = 63;
/// Rows of the upper and of the lower third.
const OUTER_ROWS: usize = 25;
/// Rows between, through the source.
const INNER_ROWS: usize = SIDE - 2 * OUTER_ROWS;
/// Chunks of noise for each image.
const CHUNKS_PER_IMAGE: usize = 256;
/// Start of a gzip file: deflate, no name, no time, fast, Unix (RFC 1952).
const GZIP: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 3];

/// The three images of an alert.
#[derive(Clone, Copy, Debug)]
pub(super) enum Image {
    /// as exposed
    Science,
    /// the reference
    Template,
    /// science less template
    Difference,
}

impl Image {
    /// Mean and standard deviation of the sky, in counts.
    fn sky(self) -> (f32, f32) {
        match self {
            Self::Science => (250.0, 12.0),
            Self::Template => (160.0, 3.0),
            Self::Difference => (0.0, 12.0),
        }
    }
}

/// Bytes with their deflate encoding, which ends on a byte boundary.
struct DeflatedChunk {
    plain: Vec<u8>,
    packed: Vec<u8>,
}

impl DeflatedChunk {
    fn pack(plain: Vec<u8>, deflater: &mut Compress, flush: FlushCompress) -> Result<Self, flate2::CompressError> {
        let mut packed = Vec::with_capacity(plain.len() + 1024);
        deflater.reset();
        deflater.compress_vec(&plain, &mut packed, flush)?;
        Ok(Self { plain, packed })
    }
}

/// Makes stamps.
pub(super) struct Stamps {
    seed: u64,
    deflater: Compress,
    header: DeflatedChunk,
    tail: DeflatedChunk,
    chunks: [Vec<Option<DeflatedChunk>>; 3],
    rows: Vec<u8>,
    stamp: Vec<u8>,
}

impl Stamps {
    /// Prepares the header. The chunks of noise are compressed when they are first used.
    pub(super) fn new(seed: u64) -> Result<Self, flate2::CompressError> {
        let mut deflater = Compress::new(Compression::fast(), false);
        let mut header = Vec::new();
        Header::image(&mut header, true, -32, SIDE, SIDE).text("BUNIT", "DN").end();
        let mut tail = Vec::new();
        fits::pad(&mut tail, SIDE * SIDE * 4);
        Ok(Self {
            seed,
            header: DeflatedChunk::pack(header, &mut deflater, FlushCompress::Sync)?,
            tail: DeflatedChunk::pack(tail, &mut deflater, FlushCompress::Finish)?,
            deflater,
            chunks: std::array::from_fn(|_| (0..CHUNKS_PER_IMAGE).map(|_| None).collect()),
            rows: Vec::new(),
            stamp: Vec::new(),
        })
    }

    /// A stamp with a source of `peak` counts and `sigma` pixels in its middle.
    pub(super) fn stamp(
        &mut self,
        image: Image,
        peak: f32,
        sigma: f32,
        noise: &Noise,
        rng: &mut AlertRng,
    ) -> Result<&[u8], flate2::CompressError> {
        let outer = [rng.below(CHUNKS_PER_IMAGE as u64) as usize, rng.below(CHUNKS_PER_IMAGE as u64) as usize];
        for chunk in outer {
            self.fill(image, chunk)?;
        }
        self.draw_inner(image, peak, sigma, noise, rng);
        let chunks = &self.chunks[image as usize];
        let (upper, lower) = (chunks[outer[0]].as_ref(), chunks[outer[1]].as_ref());

        let mut check = Crc::new();
        self.stamp.clear();
        self.stamp.extend_from_slice(&GZIP);
        for chunk in [Some(&self.header), upper].into_iter().flatten() {
            self.stamp.extend_from_slice(&chunk.packed);
            check.update(&chunk.plain);
        }
        let length = self.rows.len() as u16;
        self.stamp.push(0);
        self.stamp.extend_from_slice(&length.to_le_bytes());
        self.stamp.extend_from_slice(&(!length).to_le_bytes());
        self.stamp.extend_from_slice(&self.rows);
        check.update(&self.rows);
        for chunk in [lower, Some(&self.tail)].into_iter().flatten() {
            self.stamp.extend_from_slice(&chunk.packed);
            check.update(&chunk.plain);
        }
        self.stamp.extend_from_slice(&check.sum().to_le_bytes());
        self.stamp.extend_from_slice(&check.amount().to_le_bytes());
        Ok(&self.stamp)
    }

    fn draw_inner(&mut self, image: Image, peak: f32, sigma: f32, noise: &Noise, rng: &mut AlertRng) {
        let (mean, spread) = image.sky();
        let middle = ((SIDE / 2) as f32, (SIDE / 2) as f32);
        self.rows.clear();
        for (at, deviate) in noise.take(INNER_ROWS * SIDE, rng).iter().enumerate() {
            let (x, y) = (at % SIDE, at / SIDE + OUTER_ROWS);
            let near = x.abs_diff(SIDE / 2) <= INNER_ROWS;
            let source = if near { peak * point_source(x, y, middle, sigma) } else { 0.0 };
            self.rows.extend_from_slice(&(mean + spread * deviate + source).to_be_bytes());
        }
    }

    fn fill(&mut self, image: Image, chunk: usize) -> Result<(), flate2::CompressError> {
        let place = &mut self.chunks[image as usize][chunk];
        if place.is_none() {
            let mut rng = AlertRng::new(self.seed, Purpose::Noise, chunk as u64, image as i64);
            let (mean, spread) = image.sky();
            let plain =
                (0..OUTER_ROWS * SIDE).flat_map(|_| (mean + spread * rng.normal() as f32).to_be_bytes()).collect();
            *place = Some(DeflatedChunk::pack(plain, &mut self.deflater, FlushCompress::Sync)?);
        }
        Ok(())
    }
}
