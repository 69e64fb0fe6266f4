//! What an error's stack says besides its name and message.

use crate::fault::split_at_colon;

/// The stack without the name and the message that it begins with in V8, and in no other engine.
///
/// V8 writes the name that the error had when it was made, and many classes set theirs afterwards:
/// in front of the message any name is taken for it.
#[must_use]
pub fn frames<'a>(stack: &'a str, name: &str, message: &str) -> &'a str {
    let rest = if message.is_empty() {
        after(stack, name)
    } else {
        let named = after(stack, name)
            .and_then(|rest| after(rest, ": "))
            .and_then(|rest| after(rest, message));
        named.filter(|rest| ends_line(rest)).or_else(|| {
            // The message may be said again further down, and may itself contain these two.
            let (former, rest) = split_at_colon(stack).unwrap_or(("", stack));
            if former.contains('\n') {
                return None;
            }
            after(rest, message)
        })
    };
    let rest = rest.filter(|rest| ends_line(rest)).unwrap_or(stack);
    rest.strip_prefix('\n').unwrap_or(rest)
}

fn after<'a>(text: &'a str, beginning: &str) -> Option<&'a str> {
    text.strip_prefix(beginning)
}

fn ends_line(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    const V8: &str = "    at bad (https://a.example/x.js:3:5)\n    at https://a.example/x.js:9:1";
    const GECKO: &str = "bad@https://a.example/x.js:3:5\n@https://a.example/x.js:9:1\n";

    #[test]
    fn the_name_and_the_message_are_said_once() {
        for (head, name, message) in [
            ("Error: no", "Error", "no"),
            ("Error: no\nsuch: model", "Error", "no\nsuch: model"),
            ("Error: Error", "Error", "Error"),
            ("Error: Error: no", "Error", "Error: no"),
            ("Error", "Error", ""),
            // A name that was set after the error was made, and one with a colon of its own.
            ("Error: no", "NoModelError", "no"),
            ("Error: no: such", "NoModelError", "no: such"),
            ("Odd: name: no", "Odd: name", "no"),
            // V8 leaves out a name that is empty.
            ("no", "", "no"),
        ] {
            let stack = format!("{head}\n{V8}");
            assert_eq!(frames(&stack, name, message), V8, "{head}");
            assert_eq!(frames(head, name, message), "", "{head}");
        }
    }

    #[test]
    fn a_stack_that_begins_otherwise_is_left_alone() {
        for (stack, name, message) in [
            (GECKO, "Error", "no"),
            (GECKO, "Error", ""),
            (GECKO, "bad", ""),
            (GECKO, "", ""),
            ("", "Error", "no"),
            // The message was changed after the error was made: the former one is worth knowing.
            ("Error: no\n    at x", "Error", "page 3: no"),
            ("Error: no model\n    at x", "Error", "no"),
            ("bad@x\nError: no\n", "Error", "no"),
        ] {
            assert_eq!(frames(stack, name, message), stack);
        }
    }
}
