//! The frames of zstd data as they pass (RFC 8878, section 3.1): what each asks of a decoder, and its
//! header with a smaller window where the content is known to need no more.
//!
//! Nothing is decompressed: blocks tell how long they are.

/// The largest window that is unpacked here, in bytes; also the largest that HTTP clients have to accept
/// (RFC 9659). Each decoder at work may hold that much.
pub const MOST_WINDOW_BYTES: u64 = 8 << 20;

/// The longest block. A smaller window would make blocks shorter too, so none is made smaller than this.
const BLOCK_BYTES: u64 = 128 << 10;

/// The longest frame header.
const HEADER_BYTES: usize = 18;

/// Where a frame header describes its parts, and where the window stands if it has one.
const DESCRIPTOR: usize = 4;
const WINDOW: usize = 5;

const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// What a frame's header tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// How much of what was unpacked a decoder must keep, in bytes.
    pub window_bytes: u64,
    /// How long the content is, if the header says so.
    pub content_bytes: Option<u64>,
    /// Whether a dictionary is needed that is not part of the data.
    pub needs_dictionary: bool,
}

impl Frame {
    /// Reads the header that `bytes` begin with; `None` where that is no frame, or not all of its header.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.strip_prefix(&MAGIC)?;
        let (&descriptor, mut rest) = bytes.split_first()?;
        let mut field = |bytes: usize| {
            let (field, behind) = rest.split_at_checked(bytes)?;
            rest = behind;
            Some(field.iter().rev().fold(0, |value: u64, byte| value << 8 | u64::from(*byte)))
        };
        let is_single_segment = is_single_segment(descriptor);
        let window = if is_single_segment { None } else { Some(field(1)?) };
        let needs_dictionary = field(dictionary_bytes(descriptor))? != 0;
        let content_bytes = match content_size_bytes(descriptor) {
            0 => None,
            2 => Some(field(2)? + 256),
            bytes => Some(field(bytes)?),
        };
        let window_bytes = match window {
            Some(window) => {
                let base = 1_u64 << (10 + (window >> 3));
                base + base / 8 * (window & 7)
            }
            None => content_bytes?,
        };
        Some(Self { window_bytes, content_bytes, needs_dictionary })
    }

    /// Whether HTTP clients have to accept it as the content coding `zstd`.
    pub fn is_for_everybody(&self) -> bool {
        self.window_bytes <= MOST_WINDOW_BYTES && !self.needs_dictionary
    }
}

fn is_single_segment(descriptor: u8) -> bool {
    descriptor & 0x20 != 0
}

fn dictionary_bytes(descriptor: u8) -> usize {
    [0, 1, 2, 4][usize::from(descriptor & 3)]
}

fn content_size_bytes(descriptor: u8) -> usize {
    match descriptor >> 6 {
        0 => usize::from(is_single_segment(descriptor)),
        power => 1 << power,
    }
}

/// How large a window a decoder has to make for a frame, when all the content has `content_bytes`: what one
/// frame says to be more than that is refused.
pub fn needed_window_bytes(frame: &Frame, content_bytes: u64) -> u64 {
    frame.window_bytes.min(enough_window_bytes(content_bytes))
}

/// How large a window is enough for content of `content_bytes`, whatever its frames say.
pub fn enough_window_bytes(content_bytes: u64) -> u64 {
    content_bytes.max(BLOCK_BYTES).checked_next_power_of_two().unwrap_or(u64::MAX)
}

/// Follows frames through data that comes in pieces of any length. Where that is no zstd it gives up and
/// lets everything pass: whoever unpacks it will see.
#[derive(Debug)]
pub struct Frames {
    stage: Stage,
    /// The header of a frame or a block, as far as it came.
    head: [u8; HEADER_BYTES],
    head_bytes: usize,
    /// Whether a checksum follows the frame's last block.
    has_checksum: bool,
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    FrameHeader,
    BlockHeader,
    /// So many bytes are of no interest; then comes another frame, or another block.
    Passing {
        left: u64,
        is_last: bool,
    },
    Lost,
}

/// What [`Frames::gather`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gathered {
    /// The header is not all here.
    More,
    /// It is the header of a frame.
    Frame(Frame),
    /// It is anything else.
    Other,
}

impl Default for Frames {
    fn default() -> Self {
        let head = [0; HEADER_BYTES];
        Self { stage: Stage::FrameHeader, head, head_bytes: 0, has_checksum: false }
    }
}

impl Frames {
    /// How many of the next bytes are no header; none where a header is next.
    pub fn passing(&self) -> u64 {
        match self.stage {
            Stage::FrameHeader | Stage::BlockHeader => 0,
            Stage::Passing { left, .. } => left,
            Stage::Lost => u64::MAX,
        }
    }

    /// Counts bytes that are no header, at most [`Frames::passing`].
    pub fn pass(&mut self, bytes: u64) {
        if let Stage::Passing { left, is_last } = self.stage {
            self.go_on(left.saturating_sub(bytes), is_last);
        }
    }

    /// Takes what belongs to the header that is next, and tells how many bytes that was. Once the header is
    /// complete it stands in [`Frames::head`] until the next one begins.
    pub fn gather(&mut self, bytes: &[u8]) -> (usize, Gathered) {
        let mut taken = 0;
        loop {
            match self.wanted() {
                wanted if wanted == self.head_bytes => return (taken, self.end_head()),
                wanted => {
                    let part = &bytes[taken..bytes.len().min(taken + wanted - self.head_bytes)];
                    if part.is_empty() {
                        return (taken, Gathered::More);
                    }
                    self.head[self.head_bytes..][..part.len()].copy_from_slice(part);
                    self.head_bytes += part.len();
                    taken += part.len();
                }
            }
        }
    }

    /// The header that was gathered, as far as it came.
    pub fn head(&self) -> &[u8] {
        &self.head[..self.head_bytes]
    }

    /// Forgets the header that was gathered; the next one begins.
    pub fn drop_head(&mut self) {
        self.head_bytes = 0;
    }

    /// Makes the window of the frame whose header was just gathered no larger than `content_bytes` need.
    pub fn narrow(&mut self, content_bytes: u64) {
        let Some(frame) = Frame::read(self.head()) else { return };
        let needed = needed_window_bytes(&frame, content_bytes);
        if !is_single_segment(self.head[DESCRIPTOR]) && needed < frame.window_bytes {
            // A power of two from 128 KiB on.
            self.head[WINDOW] = ((needed.ilog2() - 10) << 3) as u8;
        }
    }

    /// Follows `bytes` and shows `each` frame that begins in them, until it returns an error.
    ///
    /// # Errors
    /// What `each` returns.
    pub fn follow<E>(
        &mut self,
        mut bytes: &[u8],
        mut each: impl FnMut(Frame) -> Result<(), E>,
    ) -> Result<(), E> {
        while !bytes.is_empty() {
            let taken = match self.passing() {
                0 => {
                    let (taken, gathered) = self.gather(bytes);
                    match gathered {
                        Gathered::More => {}
                        Gathered::Frame(frame) => {
                            each(frame)?;
                            self.drop_head();
                        }
                        Gathered::Other => self.drop_head(),
                    }
                    taken
                }
                passing => {
                    let taken = passing.min(bytes.len() as u64);
                    self.pass(taken);
                    taken as usize
                }
            };
            bytes = &bytes[taken..];
        }
        Ok(())
    }

    /// How long the header is that is being gathered, as far as can be told from what is here.
    fn wanted(&self) -> usize {
        let head = self.head();
        match self.stage {
            Stage::BlockHeader => 3,
            _ if head.len() < MAGIC.len() => MAGIC.len(),
            _ if is_skippable(head) => 8,
            _ if !head.starts_with(&MAGIC) => head.len(),
            _ => match head.get(DESCRIPTOR) {
                None => WINDOW,
                Some(&descriptor) => {
                    let window = usize::from(!is_single_segment(descriptor));
                    WINDOW + window + dictionary_bytes(descriptor) + content_size_bytes(descriptor)
                }
            },
        }
    }

    fn end_head(&mut self) -> Gathered {
        let head = &self.head[..self.head_bytes];
        if matches!(self.stage, Stage::BlockHeader) {
            let header = u32::from_le_bytes([head[0], head[1], head[2], 0]);
            let content = if header >> 1 & 3 == RUN { 1 } else { u64::from(header >> 3) };
            let is_last = header & 1 != 0;
            let checksum = if is_last && self.has_checksum { 4 } else { 0 };
            self.go_on(content + checksum, is_last);
            return Gathered::Other;
        }
        match Frame::read(head) {
            Some(frame) => {
                self.has_checksum = head[DESCRIPTOR] & 4 != 0;
                self.stage = Stage::BlockHeader;
                Gathered::Frame(frame)
            }
            None if is_skippable(head) => {
                let bytes = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
                self.go_on(bytes.into(), true);
                Gathered::Other
            }
            None => {
                self.stage = Stage::Lost;
                Gathered::Other
            }
        }
    }

    fn go_on(&mut self, left: u64, is_last: bool) {
        self.stage = match (left, is_last) {
            (0, true) => Stage::FrameHeader,
            (0, false) => Stage::BlockHeader,
            _ => Stage::Passing { left, is_last },
        };
    }
}

/// The type of a block that is one byte, many times.
const RUN: u32 = 1;

fn is_skippable(head: &[u8]) -> bool {
    matches!(head, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}
