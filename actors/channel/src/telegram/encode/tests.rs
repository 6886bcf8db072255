use proptest::prelude::*;

use super::*;

fn html(markdown: &str) -> String {
    encode(markdown).html
}

#[test]
fn styles_become_tags_and_text_is_escaped() {
    assert_eq!(
        html("**bold** *it* ~~no~~ `a<b`"),
        "<b>bold</b> <i>it</i> <s>no</s> <code>a&lt;b</code>"
    );
    assert_eq!(html("1 < 2 & \"x\""), "1 &lt; 2 &amp; &quot;x&quot;");
    assert_eq!(
        html("<script>alert(1)</script>"),
        "&lt;script&gt;alert(1)&lt;/script&gt;"
    );
}

#[test]
fn blocks_are_apart_and_lists_have_bullets() {
    assert_eq!(
        html("# Title\n\none\ntwo\n\nthree"),
        "<b><u>Title</u></b>\n\none\ntwo\n\nthree"
    );
    assert_eq!(
        html("- a\n- b\n  - c\n- d\n\nend"),
        "• a\n• b\n  • c\n• d\n\nend"
    );
    assert_eq!(html("3. a\n4. b"), "3. a\n4. b");
    assert_eq!(html("- one\n\n- two"), "• one\n• two");
}

#[test]
fn code_keeps_its_language_and_stands_in_nothing() {
    assert_eq!(
        html("```rust\nlet a = 1;\n```"),
        "<pre><code class=\"language-rust\">let a = 1;</code></pre>"
    );
    assert_eq!(html("```\nx\n```"), "<pre>x</pre>");
    assert_eq!(html("**a `b` c**"), "<b>a </b><code>b</code><b> c</b>");
    assert_eq!(html("```\"><b>\nx\n```"), "<pre>x</pre>");
}

#[test]
fn only_links_that_telegram_takes_are_links() {
    assert_eq!(
        html("[t](https://e.org/?a=1&b=\"2\")"),
        "<a href=\"https://e.org/?a=1&amp;b=&quot;2&quot;\">t</a>"
    );
    assert_eq!(html("[t](javascript:alert(1))"), "t");
    assert_eq!(html("[t](./file.md)"), "t");
    assert_eq!(
        html("![alt](https://e.org/i.png)"),
        "<a href=\"https://e.org/i.png\">alt</a>"
    );
}

#[test]
fn quotes_do_not_nest_and_hold_no_code_block() {
    assert_eq!(html("> a\n>> b"), "<blockquote>a\n\nb</blockquote>");
    let with_code = html("> a\n>\n> ```\n> x\n> ```\n>\n> b");
    assert_eq!(
        with_code,
        "<blockquote>a\n\n</blockquote><pre>x</pre><blockquote>\n\nb</blockquote>"
    );
}

#[test]
fn a_table_is_drawn() {
    let drawn = html("| a | long |\n|--:|---|\n| 100 | **x** |");
    assert_eq!(drawn, "<pre>  a | long\n----+-----\n100 | x</pre>");
}

#[test]
fn the_shown_length_counts_no_tags() {
    assert_eq!(encode("**ab** &").shown, 4);
    assert_eq!(encode("").shown, 0);
}

/// Whether tags are known, balanced, and nested as Telegram allows.
fn check(html: &str) -> Result<(), String> {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        let end = rest[at..].find('>').ok_or("a tag does not end")? + at;
        let tag = &rest[at + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            if open.pop() != Some(name) {
                return Err(format!("</{name}> closes nothing in {html}"));
            }
            continue;
        }
        let name = tag.split(' ').next().unwrap_or_default();
        let is_language = name == "code" && open.last() == Some(&"pre");
        if !["b", "i", "u", "s", "a", "code", "pre", "blockquote"].contains(&name) {
            return Err(format!("<{name}> is unknown"));
        }
        if open.contains(&name)
            || (open.iter().any(|o| ["code", "pre"].contains(o)) && !is_language)
        {
            return Err(format!("<{name}> in {open:?}"));
        }
        if ["code", "pre"].contains(&name)
            && open.iter().any(|o| *o != "blockquote")
            && !is_language
        {
            return Err(format!("<{name}> in {open:?}"));
        }
        open.push(name);
    }
    if open.is_empty() {
        Ok(())
    } else {
        Err(format!("{open:?} left open"))
    }
}

proptest! {
    #[test]
    fn whatever_comes_in_the_tags_are_sound(text in "[ab \\n*_`~<>\\[\\]()#|\\-1.\"&:/]{0,120}") {
        prop_assert_eq!(check(&html(&text)), Ok(()));
    }

    #[test]
    fn any_text_is_taken(text in any::<String>()) {
        prop_assert_eq!(check(&html(&text)), Ok(()));
    }
}
