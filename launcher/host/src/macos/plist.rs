//! One value of a property list, by `plutil`, which knows both of the formats that such files have.

use jiff::Timestamp;

use crate::capture::Host;

const PLUTIL: &str = "/usr/bin/plutil";

/// A value that is not a list and not a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Bool(bool),
    Integer(i64),
    Text(String),
    Date(Timestamp),
}

/// The value of `key` in the property list at `path`.
pub(super) fn value(host: &dyn Host, path: &str, key: &str) -> Result<Value, String> {
    let text = host
        .program(PLUTIL, &["-extract", key, "xml1", "-o", "-", path])
        .text()?;
    read(&text).ok_or_else(|| format!("{path} has a strange {key}"))
}

fn read(xml: &str) -> Option<Value> {
    let (_, inner) = xml.split_once("<plist")?;
    let (_, inner) = inner.split_once('>')?;
    let (inner, _) = inner.split_once("</plist>")?;
    let inner = inner.trim();
    let within = |tag: &str| {
        let rest = inner.strip_prefix(&format!("<{tag}>"))?;
        let text = rest.strip_suffix(&format!("</{tag}>"))?;
        (!text.contains('<')).then(|| text.trim().to_owned())
    };
    match inner {
        "<true/>" => return Some(Value::Bool(true)),
        "<false/>" => return Some(Value::Bool(false)),
        _ => {}
    }
    if let Some(number) = within("integer") {
        return number.parse().ok().map(Value::Integer);
    }
    if let Some(date) = within("date") {
        return date.parse().ok().map(Value::Date);
    }
    within("string").map(Value::Text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEAD: &str = concat!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n",
        "<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n",
        "<plist version=\"1.0\">\n",
    );

    #[test]
    fn values_of_each_kind() {
        let date: Timestamp = "2024-11-14T07:13:30Z".parse().expect("a time");
        for (inner, expected) in [
            ("<true/>", Some(Value::Bool(true))),
            ("<false/>", Some(Value::Bool(false))),
            ("<integer>1</integer>", Some(Value::Integer(1))),
            ("<integer>-7</integer>", Some(Value::Integer(-7))),
            ("<string>yes</string>", Some(Value::Text("yes".to_owned()))),
            ("<date>2024-11-14T07:13:30Z</date>", Some(Value::Date(date))),
            ("<integer>one</integer>", None),
            ("<date>today</date>", None),
            ("<string>a</string><string>b</string>", None),
            ("<array><true/></array>", None),
            ("<true/><false/>", None),
            ("", None),
        ] {
            assert_eq!(read(&format!("{HEAD}{inner}\n</plist>\n")), expected, "{inner}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_value_or_none(text in ".{0,80}", cut in 0_usize..300) {
            let _ = read(&text);
            let _ = read(&format!("{HEAD}{text}</plist>"));
            let whole = format!("{HEAD}<integer>1</integer></plist>");
            if let Some(cut) = whole.get(..cut.min(whole.len() - 1)) {
                prop_assert_eq!(read(cut), None);
            }
        }
    }
}
