//! Decimal numbers with a fraction, exactly.

/// Reads `12`, `0.5` or `12.25` and multiplies it by `unit`, rounding down. None for anything
/// else: signs, exponents, a point without digits on both sides, more than 18 digits.
pub(super) fn parse_scaled(text: &str, unit: u64) -> Option<u128> {
    const DIGITS_MAX: usize = 18;
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (text, None),
    };
    let digits = |text: &str| {
        let right = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let short = text.len() <= DIGITS_MAX;
        if right && short {
            text.parse::<u128>().ok()
        } else {
            None
        }
    };
    let unit = u128::from(unit);
    let mut scaled = digits(whole)?.checked_mul(unit)?;
    if let Some(fraction) = fraction {
        let parts = 10_u128.pow(u32::try_from(fraction.len()).ok().filter(|n| *n <= 18)?);
        scaled = scaled.checked_add(digits(fraction)?.checked_mul(unit)? / parts)?;
    }
    Some(scaled)
}

/// Where the number ends and the unit begins; white space between them belongs to neither.
pub(super) fn split_unit(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (number, unit.trim_start())
}

/// Writes `value / unit` with at most `places` decimals and no zeros at the end.
pub(super) fn decimal(value: u128, unit: u128, places: u32) -> String {
    let parts = 10_u128.pow(places);
    let scaled = (value * parts + unit / 2) / unit;
    let (whole, fraction) = (scaled / parts, scaled % parts);
    if fraction == 0 {
        return whole.to_string();
    }
    let width = usize::try_from(places).unwrap_or(0);
    format!("{whole}.{fraction:0width$}")
        .trim_end_matches('0')
        .to_owned()
}
