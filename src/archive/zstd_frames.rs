//! Zstd frames (RFC 8878, section 3.1) are followed while they pass: their needs are read, and their headers
//! get a smaller window if the content is known to need no more.
//!
//! Nothing is decompressed: blocks state their length.

/// The largest window that is decompressed here, in bytes; also the largest that HTTP clients have to accept
/// (RFC 9659). Each decoder at work may hold that much.
pub const MOST_WINDOW_BYTES: u64 = 8 << 20;

/// The longest block, in bytes. A smaller window would make blocks shorter too, so no window is made smaller
/// than this.
const BLOCK_BYTES: u64 = 128 << 10;

/// The longest frame header, in bytes.
const HEADER_BYTES: usize = 18;

/// The positions in a frame header of the descriptor and of the window, if it has one.
const DESCRIPTOR: usize = 4;
const WINDOW: usize = 5;

const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// The contents of a frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// How many decompressed bytes a decoder must keep.
    pub window_bytes: u64,
    /// The decompressed size in bytes, if the header states it.
    pub content_bytes: Option<u64>,
    /// Whether a dictionary is needed that is not part of the data.
    pub needs_dictionary: bool,
}

impl Frame {
    /// Reads the header that `bytes` begin with; `None` if they begin with no complete frame header.
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

    /// Whether HTTP clients have to accept the frame in the content coding `zstd`.
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

/// Returns the window in bytes that a decoder needs for a frame, if the whole content has `content_bytes`: a
/// frame that states more than that is refused.
pub fn needed_window_bytes(frame: &Frame, content_bytes: u64) -> u64 {
    frame.window_bytes.min(enough_window_bytes(content_bytes))
}

/// Returns the window in bytes that is enough for content of `content_bytes`, whatever its frames state.
pub fn enough_window_bytes(content_bytes: u64) -> u64 {
    content_bytes.max(BLOCK_BYTES).checked_next_power_of_two().unwrap_or(u64::MAX)
}

/// Follows frames through data that comes in pieces of any length. If the data is not zstd it gives up and
/// lets everything pass: the decoder will report it.
#[derive(Debug)]
pub struct Frames {
    stage: Stage,
    /// The header of a frame or a block, as far as received.
    head: [u8; HEADER_BYTES],
    head_bytes: usize,
    /// Whether a checksum follows the frame's last block.
    has_checksum: bool,
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    FrameHeader,
    BlockHeader,
    /// `left` bytes are passed over; then comes another frame, or another block.
    Passing {
        left: u64,
        is_last: bool,
    },
    Lost,
}

/// The result of [`Frames::gather`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gathered {
    /// The header is incomplete.
    More,
    /// The header of a frame.
    Frame(Frame),
    /// Anything else.
    Other,
}

impl Default for Frames {
    fn default() -> Self {
        let head = [0; HEADER_BYTES];
        Self { stage: Stage::FrameHeader, head, head_bytes: 0, has_checksum: false }
    }
}

impl Frames {
    /// The number of next bytes that are no header; 0 if a header is next.
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

    /// Takes the bytes of the next header, and returns their number. A complete header stays in
    /// [`Frames::head`] until the next one begins.
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

    /// The gathered header, as far as received.
    pub fn head(&self) -> &[u8] {
        &self.head[..self.head_bytes]
    }

    /// Clears the gathered header; the next one begins.
    pub fn drop_head(&mut self) {
        self.head_bytes = 0;
    }

    /// Reduces the window in the gathered frame header to what `content_bytes` need.
    pub fn narrow(&mut self, content_bytes: u64) {
        let Some(frame) = Frame::read(self.head()) else { return };
        let needed = needed_window_bytes(&frame, content_bytes);
        if !is_single_segment(self.head[DESCRIPTOR]) && needed < frame.window_bytes {
            // A power of two from 128 KiB on.
            self.head[WINDOW] = ((needed.ilog2() - 10) << 3) as u8;
        }
    }

    /// Follows `bytes` and calls `each` for every frame that begins in them, until it returns an error.
    ///
    /// # Errors
    /// The error of `each`.
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

    /// The length of the header being gathered, as far as its bytes tell.
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

/// The type of a block that repeats one byte.
const RUN: u32 = 1;

fn is_skippable(head: &[u8]) -> bool {
    matches!(head, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}
