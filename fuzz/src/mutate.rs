//! Mutations of a corpus, drawn from a seed: simple ones, and some that know MessagePack.

use rpc_core::random::Random;

/// Markers and numbers at the edges of what is allowed.
const INTERESTING: [&[u8]; 24] = [
    &[0],
    &[0xff],
    &[0x7f],
    &[0x80],
    &[0x90],
    &[0x91],
    &[0x94],
    &[0xc0],
    &[0xc1],
    &[0xc4, 0],
    &[0xc6, 0xff, 0xff, 0xff, 0xff],
    &[0xcc, 0xff],
    &[0xcd, 0x10, 0],
    &[0xce, 0xff, 0xff, 0xff, 0xff],
    &[0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    &[0xd9, 0xff],
    &[0xdc, 0xff, 0xff],
    &[0xdd, 0xff, 0xff, 0xff, 0xff],
    &[0xde, 0, 1],
    &[0xdf, 0, 0, 0, 2],
    &[0, 0, 0, 0],
    &[0, 1, 0, 0],
    &[0x40, 0, 0, 0],
    &[0x40, 0, 0, 1],
];

/// One input made of others.
pub fn mutated(corpus: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut input = pick(corpus, random).clone();
    for _ in 0..1 + below(random, 6) {
        let at = below(random, input.len() + 1);
        match below(random, 8) {
            0 if at < input.len() => input[at] ^= 1 << below(random, 8),
            1 if at < input.len() => input[at] = random.number().to_be_bytes()[0],
            2 if at < input.len() => {
                let end = (at + 1 + below(random, 8)).min(input.len());
                input.drain(at..end);
            }
            3 => {
                let bytes = *pick(&INTERESTING, random);
                input.splice(at..at, bytes.iter().copied());
            }
            4 => {
                let bytes = *pick(&INTERESTING, random);
                let end = (at + bytes.len()).min(input.len());
                input.splice(at..end, bytes.iter().copied());
            }
            5 => {
                let other = pick(corpus, random);
                let start = below(random, other.len() + 1);
                let end = start + below(random, other.len() - start + 1);
                input.splice(at..at, other[start..end].iter().copied());
            }
            6 => input.truncate(at),
            _ => {
                let end = (at + below(random, 16)).min(input.len());
                let again = input[at..end].to_vec();
                input.splice(at..at, again);
            }
        }
    }
    input.truncate(4096);
    input
}

fn below(random: &mut Random, bound: usize) -> usize {
    usize::try_from(random.number() % bound.max(1) as u64).unwrap_or(0)
}

fn pick<'a, T>(from: &'a [T], random: &mut Random) -> &'a T {
    &from[below(random, from.len())]
}
