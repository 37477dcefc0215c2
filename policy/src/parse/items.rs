//! Patterns of argument lists.

use crate::argv::{self, ArgvPattern, Item, Rest, Value as Choice};
use crate::error::PolicyError;
use crate::pattern::{self, Pattern};

use super::section::Value;

/// Most arguments of `rest`.
const REST_MAX: u64 = 1024;

pub(super) fn argv_pattern(value: Value<'_>) -> Result<ArgvPattern, PolicyError> {
    let empty = value.error("a program is missing");
    if value.as_str().is_some() {
        return Err(value.error("a command is a list: [\"/path/to/program\", …]"));
    }
    let mut list = value.list("a command")?.into_iter();
    let program = program(&list.next().ok_or(empty)?)?;
    let mut items = Vec::new();
    let mut rest: Option<Rest> = None;
    for value in list {
        if rest.is_some() {
            return Err(value.error("nothing can follow `rest`"));
        }
        match item(value)? {
            Piece::Item(item) => items.push(item),
            Piece::Rest(found) => rest = Some(found),
        }
    }
    Ok(ArgvPattern {
        program,
        items,
        rest,
    })
}

fn program(value: &Value<'_>) -> Result<String, PolicyError> {
    let text = value.string("the program, a literal path,")?;
    if argv::is_plain_path(text) && text != "/" {
        Ok(text.to_owned())
    } else {
        Err(value.error("a program is an absolute path without `.` or `..`"))
    }
}

enum Piece {
    Item(Item),
    Rest(Rest),
}

fn item(value: Value<'_>) -> Result<Piece, PolicyError> {
    if let Some(text) = value.as_str() {
        if text.contains('\0') {
            return Err(value.error("an argument cannot hold a NUL byte"));
        }
        return Ok(Piece::Item(Item::Literal(text.to_owned())));
    }
    let known = ["one_of", "int", "re", "path_under", "rest", "max"];
    let place = value.error("an argument is one of { one_of }, { int }, { re }, { path_under }, { rest, max }, or a literal in quotes");
    let mut section = value.section("an argument", &known)?;
    let (rest, max) = (section.take("rest"), section.take("max"));
    match (rest, max) {
        (None, None) => {}
        (Some(rest), Some(max)) if section.is_empty() => {
            let inner = rest.error("`rest` is { one_of }, { int }, { re } or { path_under }");
            let (Piece::Item(Item::Value(value)), count) = (item(rest)?, max.count()?) else {
                return Err(inner);
            };
            if count > REST_MAX {
                return Err(max.error(format!("`max` is at most {REST_MAX}")));
            }
            let max = usize::try_from(count).unwrap_or(usize::MAX);
            return Ok(Piece::Rest(Rest { value, max }));
        }
        _ => {
            return Err(place.with_message("`rest` and `max` belong together, and to nothing else"));
        }
    }
    let choices = [
        section.take("one_of").map(one_of),
        section.take("int").map(int),
        section.take("re").map(re),
        section.take("path_under").map(path_under),
    ];
    let mut choices = choices.into_iter().flatten();
    match (choices.next(), choices.next()) {
        (Some(choice), None) => Ok(Piece::Item(Item::Value(choice?))),
        _ => Err(place),
    }
}

fn one_of(value: Value<'_>) -> Result<Choice, PolicyError> {
    let list = value.filled_list("`one_of`")?;
    let values = Value::set(list, "a choice", |text| {
        if text.starts_with('-') {
            Err("a choice cannot begin with `-`: write a rule with the literal option".to_owned())
        } else if pattern::has_control_bytes(text) {
            Err("a choice cannot hold a control byte".to_owned())
        } else {
            Ok(text.to_owned())
        }
    })?;
    Ok(Choice::OneOf(values))
}

fn int(value: Value<'_>) -> Result<Choice, PolicyError> {
    let wrong = value.error("`int` is [lowest, highest], neither below 0");
    let list = value.list("`int`")?;
    let [low, high] = list.as_slice() else {
        return Err(wrong);
    };
    match (
        u64::try_from(low.integer()?),
        u64::try_from(high.integer()?),
    ) {
        (Ok(low), Ok(high)) if low <= high => Ok(Choice::Int(low, high)),
        _ => Err(wrong),
    }
}

fn re(value: Value<'_>) -> Result<Choice, PolicyError> {
    Pattern::new(value.string("a pattern")?)
        .map(Choice::Re)
        .map_err(|error| value.error(error.to_string()))
}

fn path_under(value: Value<'_>) -> Result<Choice, PolicyError> {
    let text = value.string("a directory")?;
    if argv::is_plain_path(text) {
        Ok(Choice::PathUnder(text.to_owned()))
    } else {
        Err(value.error("`path_under` is an absolute directory without `.` or `..`"))
    }
}
