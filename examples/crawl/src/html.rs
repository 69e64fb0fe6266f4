//! A page's text and images out of its HTML.
//!
//! The tokenizer is html5gum's, which follows the standard. No tree is built, so that a page of a
//! million open tags needs no more memory than another one; what the tree would tell (what is
//! inside of what) is kept as counters.

use crate::page::{Image, Page};
use crate::robots::Robots;
use crate::srcset;
use crate::words::words;
use core::convert::Infallible;
use html5gum::emitters::callback::{CallbackEmitter, CallbackEvent};
use html5gum::{Span, Tokenizer};
use url::Url;

/// The largest number of images of a page, and of bytes of its text, title, each text of an image
/// and each address.
const MAX_IMAGES: usize = 256;
const MAX_TEXT: usize = 1 << 20;
const MAX_TITLE: usize = 1024;
const MAX_ALT: usize = 4096;
const MAX_URL: usize = 2048;

/// What is in a page's HTML.
pub(crate) struct Parsed {
    /// The page, with the fields that come from its HTML.
    pub(crate) page: Page,
    pub(crate) robots: Robots,
}

/// Reads a page that is at `url`.
pub(crate) fn parse(html: &str, url: &Url, robots: Robots) -> Parsed {
    let mut reader = Reader::new(url, robots);
    let mut emitter = CallbackEmitter::new(|event: CallbackEvent<'_>, _: Span<()>| {
        reader.event(&event);
        None::<Infallible>
    });
    emitter.naively_switch_states(true);
    let tokens = Tokenizer::new_with_emitter(html, emitter);
    let Ok(()) = tokens.finish();
    reader.finish()
}

/// The elements whose content is no text of the page.
const SKIPPED: [&str; 20] = [
    "script", "style", "noscript", "template", "svg", "math", "iframe", "object", "select",
    "textarea", "button", "canvas", "video", "audio", "map", "noembed", "noframes", "datalist",
    "applet", "xmp",
];

/// The elements that begin and end lines.
const BLOCKS: [&str; 52] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "br",
    "caption",
    "center",
    "dd",
    "details",
    "dialog",
    "dir",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hgroup",
    "hr",
    "html",
    "legend",
    "li",
    "main",
    "menu",
    "nav",
    "ol",
    "optgroup",
    "option",
    "p",
    "pre",
    "search",
    "section",
    "summary",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "ul",
    "listing",
];

/// Elements that have no content, so that none is hidden by them.
const VOID: [&str; 14] = [
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source",
    "track", "wbr",
];

/// The attributes that matter.
#[derive(Debug, Default)]
struct Tag {
    name: String,
    attributes: Vec<(String, String)>,
}

impl Tag {
    fn get(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, value)| &value[..])
    }

    fn lower(&self, name: &str) -> String {
        self.get(name).unwrap_or("").trim().to_ascii_lowercase()
    }
}

/// The attributes that are read; all others are passed over.
const READ: [&str; 18] = [
    "href",
    "src",
    "srcset",
    "alt",
    "content",
    "name",
    "http-equiv",
    "property",
    "lang",
    "hidden",
    "style",
    "role",
    "data-src",
    "data-srcset",
    "aria-hidden",
    "data-original",
    "data-lazy-src",
    "xml:lang",
];

/// How often an element with this name is open inside of the one that is skipped.
#[derive(Debug)]
struct Skip {
    name: String,
    depth: usize,
}

struct Reader {
    page: Page,
    robots: Robots,
    base: Url,
    has_base: bool,
    tag: Tag,
    /// Whether the attribute that is being read matters.
    is_read: bool,
    skip: Option<Skip>,
    /// The line so far. Its last character is no space.
    line: String,
    /// Whether a space precedes what follows in the line.
    is_spaced: bool,
    /// The bytes of the line that are in links.
    linked: String,
    is_link: bool,
    in_title: bool,
    is_titled: bool,
    heading: bool,
    navigation: usize,
    cells: usize,
    items: usize,
    preformatted: usize,
    /// The best source of the picture that is open.
    picture: Option<String>,
    /// The index of the first image of the figure that is open.
    figure: Option<usize>,
    /// The caption of the figure that is open, while its element is.
    caption: Option<String>,
    in_caption: bool,
    html_lang: String,
    meta_lang: String,
    locale: String,
}

impl Reader {
    fn new(url: &Url, robots: Robots) -> Self {
        Self {
            page: Page::default(),
            robots,
            base: url.clone(),
            has_base: false,
            tag: Tag::default(),
            is_read: false,
            skip: None,
            line: String::new(),
            is_spaced: false,
            linked: String::new(),
            is_link: false,
            in_title: false,
            is_titled: false,
            heading: false,
            navigation: 0,
            cells: 0,
            items: 0,
            preformatted: 0,
            picture: None,
            figure: None,
            caption: None,
            in_caption: false,
            html_lang: String::new(),
            meta_lang: String::new(),
            locale: String::new(),
        }
    }

    fn event(&mut self, event: &CallbackEvent<'_>) {
        match event {
            CallbackEvent::OpenStartTag { name } => {
                self.tag.attributes.clear();
                self.tag.name = String::from_utf8_lossy(name).into_owned();
            }
            CallbackEvent::AttributeName { name } => {
                let read = READ.iter().find(|read| read.as_bytes() == *name);
                self.is_read = read.is_some();
                if let Some(name) = read {
                    self.tag.attributes.push(((*name).into(), String::new()));
                }
            }
            CallbackEvent::AttributeValue { value } if self.is_read => {
                if let Some((_, last)) = self.tag.attributes.last_mut() {
                    last.push_str(&String::from_utf8_lossy(value));
                }
            }
            &CallbackEvent::CloseStartTag { self_closing } => {
                let tag = core::mem::take(&mut self.tag);
                self.open(&tag, self_closing);
            }
            CallbackEvent::EndTag { name } => self.close(&String::from_utf8_lossy(name)),
            CallbackEvent::String { value } => self.text(&String::from_utf8_lossy(value)),
            _ => {}
        }
    }

    fn open(&mut self, tag: &Tag, self_closing: bool) {
        let name = &tag.name[..];
        let is_block = BLOCKS.contains(&name);
        if let Some(skip) = &mut self.skip {
            // Tags of HTML end foreign content, and buttons that were never closed.
            let is_left =
                is_block && matches!(&skip.name[..], "svg" | "math" | "button" | "select");
            if !is_left {
                skip.depth += usize::from(skip.name == name && !VOID.contains(&name));
                return;
            }
            self.skip = None;
        }
        if is_block {
            self.end_line();
        }
        let is_foreign_end = self_closing && matches!(name, "svg" | "math");
        if !VOID.contains(&name) && !is_foreign_end && (SKIPPED.contains(&name) || is_hidden(tag)) {
            self.skip = Some(Skip {
                name: name.into(),
                depth: 1,
            });
            return;
        }
        match name {
            "html" => {
                let lang = tag.get("lang").or(tag.get("xml:lang")).unwrap_or("");
                self.html_lang = hint(lang);
            }
            "base" => self.set_base(tag),
            "meta" => self.meta(tag),
            "title" => self.in_title = !self.is_titled,
            "a" => self.is_link = tag.get("href").is_some(),
            "img" | "amp-img" => self.image(tag),
            "picture" => self.picture = None,
            "source" => {
                if let Some(source) = tag.get("srcset").and_then(srcset::largest) {
                    self.picture.get_or_insert(source.into());
                }
            }
            "figure" => {
                self.figure = Some(self.page.images.len());
                self.caption = None;
            }
            "figcaption" => self.in_caption = self.figure.is_some(),
            _ => {}
        }
        self.heading = if is_block {
            is_heading(name)
        } else {
            self.heading
        };
        self.nest(name, usize::saturating_add);
    }

    fn close(&mut self, name: &str) {
        if let Some(skip) = &mut self.skip {
            if skip.name == name {
                skip.depth -= 1;
                if skip.depth == 0 {
                    self.skip = None;
                }
            }
            return;
        }
        match name {
            "title" if self.in_title => (self.in_title, self.is_titled) = (false, true),
            "a" => self.is_link = false,
            "picture" => self.picture = None,
            _ => {}
        }
        if BLOCKS.contains(&name) {
            self.end_line();
            self.heading = false;
        }
        match name {
            "figcaption" => self.in_caption = false,
            "figure" => self.end_figure(),
            _ => {}
        }
        self.nest(name, usize::saturating_sub);
    }

    /// Counts what is open.
    fn nest(&mut self, name: &str, step: fn(usize, usize) -> usize) {
        let counter = match name {
            "nav" | "footer" | "aside" | "menu" => &mut self.navigation,
            "table" => &mut self.cells,
            "ul" | "ol" | "dl" => &mut self.items,
            "pre" | "listing" => &mut self.preformatted,
            _ => return,
        };
        *counter = step(*counter, 1);
    }

    fn text(&mut self, text: &str) {
        if self.in_title {
            push_words(&mut self.page.title, text, MAX_TITLE);
            return;
        }
        if self.skip.is_some() {
            return;
        }
        if self.preformatted == 0 {
            return self.inline(text);
        }
        for (index, line) in text.split('\n').enumerate() {
            if index > 0 {
                self.end_line();
            }
            self.inline(line);
        }
    }

    fn inline(&mut self, text: &str) {
        if self.page.text.len() + self.line.len() > MAX_TEXT {
            return;
        }
        self.is_spaced |= text.starts_with(is_space);
        for word in text.split(is_space).filter(|word| !word.is_empty()) {
            if self.is_spaced && !self.line.is_empty() {
                self.line.push(' ');
            }
            self.line.push_str(word);
            if self.is_link {
                self.linked.push(' ');
                self.linked.push_str(word);
            }
            self.is_spaced = true;
        }
        self.is_spaced =
            text.ends_with(is_space) || self.is_spaced && text.trim_matches(is_space).is_empty();
    }

    fn end_line(&mut self) {
        self.is_spaced = false;
        if self.line.is_empty() {
            return;
        }
        if self.in_caption {
            push_words(self.caption.get_or_insert_default(), &self.line, MAX_ALT);
        }
        if !self.page.text.is_empty() {
            self.page.text.push('\n');
        }
        self.page.text.push_str(&self.line);
        self.page.blocks.push(match () {
            () if self.navigation > 0 => 'n',
            () if self.heading => 'h',
            () if self.items > 0 => 'l',
            () if self.cells > 0 => 't',
            () => 'p',
        });
        self.page.linked.push(words(&self.linked).count() as u32);
        self.line.clear();
        self.linked.clear();
    }

    fn end_figure(&mut self) {
        let caption = self.caption.take().unwrap_or_default();
        if let Some(first) = self.figure.take() {
            for image in self.page.images.iter_mut().skip(first) {
                image.caption.clone_from(&caption);
            }
        }
    }

    fn set_base(&mut self, tag: &Tag) {
        let Some(href) = tag.get("href").filter(|_| !self.has_base) else {
            return;
        };
        self.has_base = true;
        if let Ok(base) = self.base.join(href.trim()) {
            // As in browsers, a base that runs scripts or contains data has no effect.
            if !matches!(base.scheme(), "data" | "javascript") {
                self.base = base;
            }
        }
    }

    fn meta(&mut self, tag: &Tag) {
        let content = tag.get("content").unwrap_or("");
        if tag.lower("name") == "robots" {
            self.robots.meta(content);
        }
        if tag.lower("http-equiv") == "content-language" && self.meta_lang.is_empty() {
            self.meta_lang = hint(content);
        }
        if tag.lower("property") == "og:locale" && self.locale.is_empty() {
            self.locale = hint(content);
        }
    }

    fn image(&mut self, tag: &Tag) {
        let sets = [tag.get("srcset"), tag.get("data-srcset")];
        let lazy = ["data-src", "data-original", "data-lazy-src"].into_iter();
        let candidates = self
            .picture
            .as_deref()
            .into_iter()
            .chain(sets.into_iter().flatten().filter_map(srcset::largest))
            // Pages that load images later have a placeholder in `src`.
            .chain(lazy.filter_map(|name| tag.get(name)))
            .chain(tag.get("src"));
        let resolved = candidates
            .filter_map(|candidate| self.resolve(candidate))
            .next();
        let Some(src) = resolved.filter(|_| self.page.images.len() < MAX_IMAGES) else {
            return;
        };
        let mut alt = String::new();
        push_words(&mut alt, tag.get("alt").unwrap_or(""), MAX_ALT);
        if alt.is_empty() && self.figure.is_none() {
            return;
        }
        self.page.images.push(Image {
            src,
            alt,
            caption: String::new(),
        });
    }

    /// The absolute address on the web, if it is one.
    fn resolve(&self, address: &str) -> Option<String> {
        let address = address.trim();
        if address.is_empty() || address.len() > MAX_URL {
            return None;
        }
        let url = self.base.join(address).ok()?;
        let is_web = matches!(url.scheme(), "http" | "https") && url.as_str().len() <= MAX_URL;
        is_web.then(|| url.into())
    }

    fn finish(mut self) -> Parsed {
        self.end_line();
        self.end_figure();
        let described = |image: &Image| !image.alt.is_empty() || !image.caption.is_empty();
        self.page.images.retain(described);
        let hints = [self.html_lang, self.meta_lang, self.locale];
        self.page
            .hints
            .extend(hints.into_iter().filter(|hint| !hint.is_empty()));
        Parsed {
            page: self.page,
            robots: self.robots,
        }
    }
}

fn is_heading(name: &str) -> bool {
    matches!(name, "h1" | "h2" | "h3" | "h4" | "h5" | "h6")
}

/// Whether the element is never seen.
fn is_hidden(tag: &Tag) -> bool {
    let style = tag.get("style").unwrap_or("");
    let is_styled = !style.is_empty() && {
        let style = style.to_ascii_lowercase().replace(char::is_whitespace, "");
        style.contains("display:none") || style.contains("visibility:hidden")
    };
    tag.get("hidden").is_some() || is_styled || tag.lower("aria-hidden") == "true"
}

/// What HTML collapses, and the spaces that pages use to lay out text.
fn is_space(c: char) -> bool {
    matches!(
        c,
        ' ' | '\t' | '\n' | '\r' | '\u{c}' | '\u{a0}' | '\u{200b}' | '\u{feff}'
    ) || c.is_control()
        || c.is_whitespace()
}

/// Appends words, with one space between them, up to a length.
fn push_words(target: &mut String, text: &str, max: usize) {
    for word in text.split(is_space).filter(|word| !word.is_empty()) {
        if target.len() + word.len() >= max {
            return;
        }
        if !target.is_empty() {
            target.push(' ');
        }
        target.push_str(word);
    }
}

/// A language such as `pt-BR` in lower case, or nothing if it is no such thing.
pub(crate) fn hint(text: &str) -> String {
    let first = text
        .split([',', ';'])
        .next()
        .unwrap_or("")
        .trim()
        .replace('_', "-");
    let is_tag = (2..=35).contains(&first.len())
        && first
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if is_tag {
        first.to_ascii_lowercase()
    } else {
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(html: &str) -> Page {
        let url = Url::parse("https://example.org/a/b?c").expect("an address");
        parse(html, &url, Robots::default()).page
    }

    fn text(html: &str) -> String {
        page(html).text
    }

    #[test]
    fn text_is_what_a_reader_sees() {
        assert_eq!(
            text("<p>One\n <b>wo</b>rd&nbsp;&amp; <i>more</i> .<p>Two"),
            "One word & more .\nTwo"
        );
        assert_eq!(
            text("a<script>no</script>b<style>no</style><!-- no -->c<noscript>no</noscript>"),
            "abc"
        );
        assert_eq!(
            text("a<div hidden>no<div>no</div></div>b<p style='display: none'>no</p>c"),
            "a\nb\nc"
        );
        assert_eq!(text("a<svg><title>no</title><p>b"), "a\nb");
        assert_eq!(
            text("<svg/>a<button>no</button>b<textarea>no</textarea>"),
            "ab"
        );
        assert_eq!(text("<pre>one  two\nthree</pre>"), "one two\nthree");
        assert_eq!(
            text("&lt;&#x41;&#0;&#128;&notit;&hellip;&rarr;"),
            "<A\u{fffd}€¬it;…→"
        );
        assert_eq!(
            text("<ul><li>a<li>b</ul><table><tr><td>c<td>d</table>"),
            "a\nb\nc\nd"
        );
    }

    #[test]
    fn each_line_has_its_kind_and_the_words_of_its_links() {
        let page = page(
            "<nav><a href=/>Home page</a></nav><h1>Title</h1><p>See <a href=x>this</a>, <a>not</a> that.\
             <ul><li>item</ul><table><td>cell</table>",
        );
        assert_eq!(page.blocks, "nhplt");
        assert_eq!(page.linked, [2, 0, 1, 0, 0]);
        assert_eq!(page.text.lines().count(), 5);
    }

    #[test]
    fn addresses_are_resolved_as_browsers_do() {
        let src = |html: &str| page(html).images.pop().map(|image| image.src);
        assert_eq!(
            src("<img src=c.png alt=x>"),
            Some("https://example.org/a/c.png".into())
        );
        assert_eq!(
            src("<base href=/z/><base href=/y/><img src=c.png alt=x>"),
            Some("https://example.org/z/c.png".into())
        );
        assert_eq!(
            src("<img src='//b.org/ ü.png ' alt=x>"),
            Some("https://b.org/%20%C3%BC.png".into())
        );
        assert_eq!(
            src("<base href='data:,x'><img src=c.png alt=x>"),
            Some("https://example.org/a/c.png".into())
        );
        assert_eq!(src("<img src='data:image/png;base64,' alt=x>"), None);
        assert_eq!(src("<img src='javascript:x' alt=x>"), None);
        assert_eq!(src("<img src=c.png>"), None);
    }

    #[test]
    fn the_largest_version_of_an_image_is_taken() {
        let src = |html: &str| page(html).images.remove(0).src;
        assert_eq!(
            src("<img src=s.png srcset='m.png 2x, l.png 3x' alt=x>"),
            "https://example.org/a/l.png"
        );
        assert_eq!(
            src(
                "<picture><source srcset='w.webp 100w, x.webp 900w'><img src=s.png alt=x></picture>"
            ),
            "https://example.org/a/x.webp"
        );
        assert_eq!(
            src("<img src='data:image/gif;base64,R0' data-src=real.png alt=x>"),
            "https://example.org/a/real.png"
        );
    }

    #[test]
    fn a_figure_gives_its_images_the_caption() {
        let images = page(
            "<figure><img src=1.png><img src=2.png alt='Two  b'><figcaption>Both <i>of</i> them</figcaption></figure>\
             <img src=3.png alt=three><figure><img src=4.png></figure>",
        ).images;
        let texts: Vec<_> = images
            .iter()
            .map(|image| (&image.alt[..], &image.caption[..]))
            .collect();
        assert_eq!(
            texts,
            [
                ("", "Both of them"),
                ("Two b", "Both of them"),
                ("three", "")
            ]
        );
    }

    #[test]
    fn the_head_is_read() {
        let page = page(
            "<html lang=pt_BR><title> A &amp; B </title><meta http-equiv=Content-Language content='en, fr'>\
             <meta property=og:locale content=de_DE><body><svg><title>no</title></svg><title>no</title>",
        );
        assert_eq!(page.title, "A & B");
        assert_eq!(page.hints, ["pt-br", "en", "de-de"]);
    }

    #[test]
    fn the_largest_page_stays_within_its_limits() {
        let page = page(&format!(
            "{}{}",
            "<div>".repeat(300_000),
            "<img src=a.png alt=x>text ".repeat(100_000)
        ));
        assert_eq!(page.images.len(), MAX_IMAGES);
        assert!(page.text.len() <= MAX_TEXT + 16);
    }
}
