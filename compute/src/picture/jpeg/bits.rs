//! Bits of a JPEG, and the codes they form.

/// The codes no longer than this are looked up at once.
const FAST: usize = 9;
/// So many bits may be asked for after the end: what is read ahead, and the filling of the last byte.
const BEYOND: u32 = 128;

/// Reads bits until the next marker.
pub(super) struct Bits<'j> {
    rest: &'j [u8],
    /// The next bits, from the top.
    held: u64,
    count: u32,
    /// How many were made up because there were no more.
    beyond: u32,
}

/// A set of Huffman codes.
pub(super) struct Codes {
    /// By the next nine bits: how long the code is and what it stands for, if it is short.
    fast: Box<[(u8, u8); 1 << FAST]>,
    /// By their length: the first code that is longer, and what leads from a code to its value.
    longer: [(u32, i32); 17],
    values: Box<[u8]>,
}

impl Default for Codes {
    fn default() -> Self {
        Self {
            fast: Box::new([(0, 0); 1 << FAST]),
            longer: [(0, 0); 17],
            values: Box::default(),
        }
    }
}

impl Codes {
    /// From how many codes there are of each length; none if there can't be so many.
    pub(super) fn new(counts: &[u8; 16], values: &[u8]) -> Option<Self> {
        let mut codes = Self {
            values: values.into(),
            ..Self::default()
        };
        let (mut code, mut first) = (0_u32, 0_usize);
        for (length, count) in (1_u8..).zip(counts) {
            let count = usize::from(*count);
            let delta = i32::try_from(first).ok()? - i32::try_from(code).ok()?;
            for value in values.get(first..first + count)? {
                if usize::from(length) <= FAST {
                    let spare = FAST - usize::from(length);
                    let from = usize::try_from(code).ok()? << spare;
                    codes
                        .fast
                        .get_mut(from..from + (1 << spare))?
                        .fill((length, *value));
                }
                code += 1;
            }
            if code > 1 << length {
                return None;
            }
            *codes.longer.get_mut(usize::from(length))? = (code << (16 - length), delta);
            first += count;
            code <<= 1;
        }
        Some(codes)
    }
}

impl<'j> Bits<'j> {
    pub(super) fn new(rest: &'j [u8]) -> Self {
        Self {
            rest,
            held: 0,
            count: 0,
            beyond: 0,
        }
    }

    /// What is left, from the next marker on or before it.
    pub(super) fn rest(&self) -> &'j [u8] {
        self.rest
    }

    /// Goes on after a restart marker; none if there is no such marker here.
    pub(super) fn restart(&mut self) -> Option<()> {
        (self.held, self.count, self.beyond) = (0, 0, 0);
        let at = self
            .rest
            .windows(2)
            .position(|pair| matches!(pair, [0xff, 1..=0xfe]))?;
        let [0xff, 0xd0..=0xd7, after @ ..] = self.rest.get(at..)? else {
            return None;
        };
        self.rest = after;
        Some(())
    }

    fn fill(&mut self) -> Option<()> {
        while self.count <= 48 {
            let byte = match *self.rest {
                [0xff, 0, ref after @ ..] => {
                    self.rest = after;
                    0xff
                }
                // A marker, or the end.
                [0xff, ..] | [] => {
                    self.beyond += 8;
                    if self.beyond > BEYOND {
                        return None;
                    }
                    0
                }
                [byte, ref after @ ..] => {
                    self.rest = after;
                    byte
                }
            };
            self.held |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
        Some(())
    }

    fn skip(&mut self, count: u32) {
        self.held <<= count;
        self.count -= count;
    }

    /// The next value; none if there is none.
    pub(super) fn value(&mut self, codes: &Codes) -> Option<u8> {
        if self.count < 16 {
            self.fill()?;
        }
        let next = u32::try_from(self.held >> 48).ok()?;
        if let (length @ 1.., value) = *codes.fast.get((next >> (16 - FAST)) as usize)? {
            self.skip(length.into());
            return Some(value);
        }
        let found = (1..)
            .zip(codes.longer.get(1..)?)
            .find(|(_, (end, _))| next < *end);
        let (length, (_, delta)) = found?;
        self.skip(length);
        let code = i32::try_from(next >> (16 - length)).ok()?;
        let at = usize::try_from(code + delta).ok()?;
        codes.values.get(at).copied()
    }

    /// The next bits as a number.
    pub(super) fn number(&mut self, count: u8) -> Option<u32> {
        if count == 0 {
            return Some(0);
        }
        let count = u32::from(count.min(16));
        if self.count < count {
            self.fill()?;
        }
        let number = u32::try_from(self.held >> (64 - count)).ok()?;
        self.skip(count);
        Some(number)
    }

    /// The next bit.
    pub(super) fn bit(&mut self) -> Option<bool> {
        self.number(1).map(|bit| bit == 1)
    }

    /// A number below nought if its first bit is 0.
    pub(super) fn signed(&mut self, count: u8) -> Option<i32> {
        let count = count.min(16);
        let number = i32::try_from(self.number(count)?).ok()?;
        let half = 1_i32 << count.saturating_sub(1);
        Some(match count {
            0 => 0,
            _ if number < half => number - 2 * half + 1,
            _ => number,
        })
    }
}
