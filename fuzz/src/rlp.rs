//! As much RLP as the fuzzing of transactions needs, so that lengths which depend on others are right.

/// A payload of fields. Its first byte is its type, or 0 for none; each field is a length (u8), and so many bytes: a
/// string, or from 128 on a list of which these are the contents.
pub fn from_fields(input: &[u8]) -> Vec<u8> {
    let Some((&kind, mut input)) = input.split_first() else {
        return Vec::new();
    };
    let mut fields = Vec::new();
    while let Some((&how, rest)) = input.split_first() {
        let (bytes, rest) = rest.split_at(usize::from(how & 0x7f).min(rest.len()));
        input = rest;
        fields.extend(if how < 0x80 {
            string(bytes)
        } else {
            list(bytes)
        });
    }
    let body = list(&fields);
    if kind == 0 {
        body
    } else {
        [&[kind], body.as_slice()].concat()
    }
}

pub fn string(bytes: &[u8]) -> Vec<u8> {
    match bytes {
        [byte] if *byte < 0x80 => vec![*byte],
        _ => with_header(0x80, bytes),
    }
}

pub fn list(contents: &[u8]) -> Vec<u8> {
    with_header(0xc0, contents)
}

fn with_header(base: u8, bytes: &[u8]) -> Vec<u8> {
    if bytes.len() < 56 {
        return [&[base + bytes.len() as u8], bytes].concat();
    }
    let len = bytes.len().to_be_bytes();
    let zeros = bytes.len().leading_zeros() as usize / 8;
    let head = base + 55 + (len.len() - zeros) as u8;
    [&[head], &len[zeros..], bytes].concat()
}

/// The items of the list at the front, headers and all.
pub fn items(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let (start, end) = contents(bytes)?;
    let mut rest = (bytes[0] >= 0xc0).then(|| &bytes[start..end])?;
    let mut items = Vec::new();
    while !rest.is_empty() {
        let (item, others) = rest.split_at(contents(rest)?.1);
        items.push(item);
        rest = others;
    }
    Some(items)
}

/// Where the contents of the item at the front begin and end.
fn contents(bytes: &[u8]) -> Option<(usize, usize)> {
    let first = usize::from(*bytes.first()?);
    let base = if first < 0xc0 { 0x80 } else { 0xc0 };
    let (start, len) = match first.checked_sub(base) {
        None => (0, 1),
        Some(len @ ..56) => (1, len),
        Some(more) => {
            let digits = bytes.get(1..1 + more - 55)?;
            let len = digits.iter().try_fold(0_usize, |sum, digit| {
                sum.checked_mul(256)?.checked_add(usize::from(*digit))
            })?;
            (1 + digits.len(), len)
        }
    };
    let end = start.checked_add(len)?;
    (end <= bytes.len()).then_some((start, end))
}
