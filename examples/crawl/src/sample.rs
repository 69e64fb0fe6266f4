//! Archives for tests and measurements, always the same: all the odd records that crawls contain,
//! and any number of ordinary ones.

pub use crate::pack::gzip;

use encoding_rs::Encoding;

/// What becomes of an odd record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is a page whose text contains this.
    Page(&'static str),
    /// It is dropped for this reason.
    Drop(&'static str),
    /// It damages the archive in this way, and costs no other record.
    Damage(&'static str),
    /// It is passed over, as other records than pages are.
    Nothing,
}

/// A record with its name and fate. In an archive it is a member of its own, or not compressed.
#[derive(Debug)]
pub struct Odd {
    /// What is odd about it.
    pub name: &'static str,
    /// Its bytes in an archive that is not compressed.
    pub record: Vec<u8>,
    /// What becomes of it.
    pub fate: Fate,
}

/// All odd records.
#[must_use]
pub fn odd() -> Vec<Odd> {
    let mut all = Vec::new();
    let mut add = |name, record, fate| all.push(Odd { name, record, fate });
    let page = |head: &str, body: &[u8]| response_record(head, body);
    let html = |body: &str| page("Content-Type: text/html; charset=utf-8", body.as_bytes());
    let encoded = |label: &str, head: &str, text: &str| {
        let (bytes, ..) = Encoding::for_label(label.as_bytes())
            .expect("an encoding")
            .encode(text);
        page(head, &bytes)
    };
    let typed = "Content-Type: text/html";

    add(
        "software",
        warc_record("warcinfo", "", b"software: sample\r\n"),
        Fate::Nothing,
    );
    add(
        "request",
        warc_record("request", URL, b"GET / HTTP/1.1\r\n\r\n"),
        Fate::Nothing,
    );
    add(
        "revisit",
        warc_record("revisit", URL, b"HTTP/1.1 200 OK\r\n\r\n"),
        Fate::Nothing,
    );
    add(
        "address of DNS",
        warc_record("response", "dns:example.org", b"1.2.3.4"),
        Fate::Nothing,
    );
    add("ordinary", html("<p>plain page"), Fate::Page("plain page"));
    let chunks = chunked(b"<p>page in chunks", 5);
    add(
        "chunked",
        page(&format!("{typed}\r\nTransfer-Encoding: chunked"), &chunks),
        Fate::Page("page in chunks"),
    );
    add(
        "chunked by name only",
        page(
            &format!("{typed}\r\nTransfer-Encoding: chunked"),
            b"<p>no chunks",
        ),
        Fate::Page("no chunks"),
    );
    let zipped = gzip(b"<p>page in gzip");
    add(
        "gzip",
        page(&format!("{typed}\r\nContent-Encoding: gzip"), &zipped),
        Fate::Page("page in gzip"),
    );
    let both = format!("{typed}\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked");
    add(
        "gzip in chunks",
        page(&both, &chunked(&zipped, 3)),
        Fate::Page("page in gzip"),
    );
    add(
        "gzip by name only",
        page(&format!("{typed}\r\nContent-Encoding: gzip"), b"<p>no gzip"),
        Fate::Page("no gzip"),
    );
    let brotli = [
        0x0b, 0x06, 0x80, b'<', b'p', b'>', b'b', b'r', b'o', b't', b'l', b'i', b' ', b'p', b'a',
        b'g', 0x03,
    ];
    add(
        "brotli",
        page(&format!("{typed}\r\nContent-Encoding: br"), &brotli),
        Fate::Page("brotli pa"),
    );
    add(
        "bomb",
        page(
            &format!("{typed}\r\nContent-Encoding: gzip"),
            &gzip(&vec![b'a'; 8 << 20]),
        ),
        Fate::Drop("bomb"),
    );
    add(
        "unknown encoding",
        page(&format!("{typed}\r\nContent-Encoding: zstd"), b"(\xb5/\xfd"),
        Fate::Drop("encoding"),
    );
    add(
        "without a head",
        warc_record("response", URL, b"<html><p>without a head"),
        Fate::Page("without a head"),
    );
    add(
        "neither head nor HTML",
        warc_record("response", URL, b"\0\x01\x02"),
        Fate::Drop("no_head"),
    );
    add(
        "resource",
        typed_record("resource", "text/html", b"<p>as a resource"),
        Fate::Page("as a resource"),
    );
    add(
        "HTTP/2",
        raw_record(b"HTTP/2 200\r\ncontent-type: text/html\r\n\r\n<p>second version"),
        Fate::Page("second version"),
    );
    add(
        "lone line feeds",
        raw_record(b"HTTP/1.0 200 OK\nContent-type : text/html\n\n<p>line feeds"),
        Fate::Page("line feeds"),
    );
    add(
        "not found",
        raw_record(b"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\n\r\n<p>gone"),
        Fate::Drop("status"),
    );
    add(
        "picture",
        page("Content-Type: image/png", b"\x89PNG"),
        Fate::Drop("type"),
    );
    add(
        "without a type",
        page("X-Nothing: 1", b"\n<!DOCTYPE html><p>without a type"),
        Fate::Page("without a type"),
    );
    add(
        "empty",
        html("<script>only()</script>"),
        Fate::Drop("empty"),
    );
    add(
        "Windows-1251",
        encoded(
            "windows-1251",
            "Content-Type: text/html; charset=cp1251",
            "<p>кириллица",
        ),
        Fate::Page("кириллица"),
    );
    add(
        "Shift_JIS in a meta tag",
        encoded("shift_jis", typed, "<meta charset=sjis><p>日本語"),
        Fate::Page("日本語"),
    );
    add(
        "GBK by http-equiv",
        encoded(
            "gbk",
            typed,
            "<meta http-equiv=Content-Type content='text/html; charset=gb2312'><p>汉字",
        ),
        Fate::Page("汉字"),
    );
    add(
        "mark before header",
        page(
            "Content-Type: text/html; charset=big5",
            "\u{feff}<p>Größe".as_bytes(),
        ),
        Fate::Page("Größe"),
    );
    add(
        "UTF-16",
        page(
            typed,
            &[
                b"\xff\xfe".to_vec(),
                "<p>sechzehn"
                    .encode_utf16()
                    .flat_map(u16::to_le_bytes)
                    .collect(),
            ]
            .concat(),
        ),
        Fate::Page("sechzehn"),
    );
    add(
        "no character set",
        encoded(
            "windows-1252",
            typed,
            "<p>Voilà un café très agréable où l’on déjeune à midi.",
        ),
        Fate::Page("café très"),
    );
    add(
        "invalid UTF-8",
        page(
            "Content-Type: text/html; charset=utf-8",
            b"<p>broken \xff character",
        ),
        Fate::Page("broken \u{fffd} character"),
    );
    add(
        "entities",
        html("<p>&lt;a&gt; &amp;amp; &#x1F600; &#xD800; &eacute"),
        Fate::Page("<a> &amp; 😀 \u{fffd} é"),
    );
    add(
        "noindex",
        html("<META NAME=Robots CONTENT='NOINDEX, nofollow'><p>hidden"),
        Fate::Drop("noindex"),
    );
    add(
        "noarchive",
        html("<meta name=robots content=noarchive><p>hidden"),
        Fate::Drop("noarchive"),
    );
    add(
        "noai",
        html("<meta name=robots content='noai, noimageai'><p>hidden"),
        Fate::Drop("noai"),
    );
    add(
        "X-Robots-Tag",
        page(&format!("{typed}\r\nX-Robots-Tag: noindex"), b"<p>hidden"),
        Fate::Drop("noindex"),
    );
    add(
        "X-Robots-Tag of another robot",
        page(
            &format!("{typed}\r\nX-Robots-Tag: otherbot: noindex"),
            b"<p>shown to us",
        ),
        Fate::Page("shown to us"),
    );
    add(
        "no images",
        html("<meta name=robots content=noimageai><p>only text<img src=a.png alt='a picture'>"),
        Fate::Page("only text"),
    );
    add(
        "a million open tags",
        html(&format!("{}deep text", "<div><b><a href=x>".repeat(50_000))),
        Fate::Page("deep text"),
    );
    add(
        "a million attributes",
        html(&format!("<p {}>wide text", "a='b' ".repeat(100_000))),
        Fate::Page("wide text"),
    );
    add(
        "a comment without end",
        html("<p>before<!-- the rest"),
        Fate::Page("before"),
    );
    let long = format!("{typed}\r\n{}", "X-Long: 0123456789\r\n".repeat(4000));
    add(
        "a huge head",
        page(long.trim_end(), b"<p>never"),
        Fate::Drop("no_head"),
    );
    add(
        "a huge header",
        warc_record("response\r\nX: 1".repeat(8000).leak(), URL, b"x"),
        Fate::Damage("header_too_long"),
    );
    add(
        "no length",
        warc_record_of_length("response", URL, b"HTTP/1.1 200 OK\r\n\r\n", "many"),
        Fate::Damage("no_length"),
    );
    add(
        "too short a length",
        warc_record_of_length("response", URL, b"HTTP/1.1 200 OK\r\n\r\n<p>cut", "9"),
        Fate::Damage("wrong_length"),
    );
    add(
        "too large",
        warc_record("response", URL, &vec![b' '; 7 << 20]),
        Fate::Drop("too_large"),
    );
    add(
        "an address that is none",
        warc_record("response", "http://[", b"HTTP/1.1 200 OK\r\n\r\n"),
        Fate::Drop("address"),
    );
    add(
        "addresses in brackets",
        warc_record(
            "response",
            "<http://example.org/wget>",
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<p>from wget",
        ),
        Fate::Page("from wget"),
    );
    all
}

const URL: &str = "http://example.org/dir/page.html";

/// An archive of all odd records, each a member of its own, between damaged members.
#[must_use]
pub fn archive() -> Vec<u8> {
    let mut archive = Vec::new();
    for (index, Odd { record, .. }) in odd().iter().enumerate() {
        let member = gzip(record);
        archive.extend_from_slice(&member);
        match index % 10 {
            3 => archive.extend_from_slice(&member[..member.len() / 2]),
            5 => archive.extend_from_slice(b"garbage"),
            7 => {
                let mut wrong = member.clone();
                let checksum = wrong.len() - 8;
                wrong[checksum] ^= 1;
                archive.extend_from_slice(&wrong);
            }
            _ => {}
        }
    }
    archive
}

/// A record whose length is right.
#[must_use]
pub fn warc_record(kind: &str, url: &str, body: &[u8]) -> Vec<u8> {
    warc_record_of_length(kind, url, body, &body.len().to_string())
}

/// A record that claims a length.
#[must_use]
pub fn warc_record_of_length(kind: &str, url: &str, body: &[u8], length: &str) -> Vec<u8> {
    let head = format!(
        "WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Target-URI: {url}\r\nWARC-Date: 2024-02-29T12:00:00Z\r\n\
         Content-Type: application/http; msgtype=response\r\nContent-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body, b"\r\n\r\n"].concat()
}

fn typed_record(kind: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "WARC/1.1\nWARC-Type: {kind}\nWARC-Target-URI: {URL}\nContent-Type: {content_type}\nContent-Length: {}\n\n",
        body.len()
    );
    [head.as_bytes(), body, b"\r\n\r\n"].concat()
}

fn raw_record(response: &[u8]) -> Vec<u8> {
    warc_record("response", URL, response)
}

fn response_record(head: &str, body: &[u8]) -> Vec<u8> {
    raw_record(
        &[
            format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n").as_bytes(),
            body,
        ]
        .concat(),
    )
}

/// A body in chunks of `size` bytes.
#[must_use]
pub fn chunked(bytes: &[u8], size: usize) -> Vec<u8> {
    let chunk =
        |bytes: &[u8]| [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
    let mut all: Vec<u8> = bytes.chunks(size).flat_map(chunk).collect();
    all.extend_from_slice(b"0\r\n\r\n");
    all
}

/// A paragraph in each of several languages with its ISO 639-3 code: the first article of the
/// Universal Declaration of Human Rights.
#[must_use]
pub fn paragraphs() -> [(&'static str, &'static str); 14] {
    [
        (
            "eng",
            "All human beings are born free and equal in dignity and rights. They are endowed with reason and conscience and should act towards one another in a spirit of brotherhood.",
        ),
        (
            "deu",
            "Alle Menschen sind frei und gleich an Würde und Rechten geboren. Sie sind mit Vernunft und Gewissen begabt und sollen einander im Geist der Brüderlichkeit begegnen.",
        ),
        (
            "fra",
            "Tous les êtres humains naissent libres et égaux en dignité et en droits. Ils sont doués de raison et de conscience et doivent agir les uns envers les autres dans un esprit de fraternité.",
        ),
        (
            "spa",
            "Todos los seres humanos nacen libres e iguales en dignidad y derechos y, dotados como están de razón y conciencia, deben comportarse fraternalmente los unos con los otros.",
        ),
        (
            "ita",
            "Tutti gli esseri umani nascono liberi ed eguali in dignità e diritti. Essi sono dotati di ragione e di coscienza e devono agire gli uni verso gli altri in spirito di fratellanza.",
        ),
        (
            "por",
            "Todos os seres humanos nascem livres e iguais em dignidade e em direitos. Dotados de razão e de consciência, devem agir uns para com os outros em espírito de fraternidade.",
        ),
        (
            "nld",
            "Alle mensen worden vrij en gelijk in waardigheid en rechten geboren. Zij zijn begiftigd met verstand en geweten, en behoren zich jegens elkander in een geest van broederschap te gedragen.",
        ),
        (
            "pol",
            "Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw. Są oni obdarzeni rozumem i sumieniem i powinni postępować wobec innych w duchu braterstwa.",
        ),
        (
            "rus",
            "Все люди рождаются свободными и равными в своем достоинстве и правах. Они наделены разумом и совестью и должны поступать в отношении друг друга в духе братства.",
        ),
        (
            "tur",
            "Bütün insanlar hür, haysiyet ve haklar bakımından eşit doğarlar. Akıl ve vicdana sahiptirler ve birbirlerine karşı kardeşlik zihniyeti ile hareket etmelidirler.",
        ),
        (
            "jpn",
            "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。人間は、理性と良心とを授けられており、互いに同胞の精神をもって行動しなければならない。",
        ),
        (
            "cmn",
            "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心，并应以兄弟关系的精神相对待。",
        ),
        (
            "ara",
            "يولد جميع الناس أحرارًا متساوين في الكرامة والحقوق. وقد وهبوا عقلاً وضميرًا وعليهم أن يعامل بعضهم بعضًا بروح الإخاء.",
        ),
        (
            "kor",
            "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다. 인간은 천부적으로 이성과 양심을 부여받았으며 서로 형제애의 정신으로 행동하여야 한다.",
        ),
    ]
}

/// Numbers that are the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % bound as u64) as usize
    }

    fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len())]
    }
}

/// Bytes that cannot be compressed.
#[must_use]
pub fn noise(length: usize) -> Vec<u8> {
    let mut random = Random(1);
    (0..length).map(|_| random.below(256) as u8).collect()
}

/// English sentences without much sense, of about as many words.
#[must_use]
pub fn prose(seed: u64, words: usize) -> String {
    ENGLISH.prose(seed, words)
}

/// The words of sentences. In each list spaces separate words, and `_` stands for a space in one.
struct Vocabulary {
    starts: &'static str,
    nouns: &'static str,
    verbs: &'static str,
    adjectives: &'static str,
    articles: &'static str,
    links: &'static str,
}

const ENGLISH: Vocabulary = Vocabulary {
    starts: "The A Every This No Her Their Some",
    nouns: "river engineer garden letter harbour teacher winter machine village painter library \
            mountain question railway island doctor market window forest musician history bridge \
            kitchen journey captain science morning farmer theatre novel valley council student \
            weather museum language colony factory lantern sailor meadow station writer castle \
            problem summer orchard merchant signal archive shepherd canal festival tailor voyage \
            planet carpenter harvest lecture pilot cottage diary minister observatory",
    verbs: "describes followed built remembers crossed explains painted measured found repaired \
            carries promised visited changed studied opened discovered sold protects imagined \
            reached replaced counted admired",
    adjectives: "quiet northern ancient careful narrow famous wooden sudden distant modern patient \
                 golden curious empty gentle heavy hidden local broad simple restless public \
                 foreign bright hollow steady clever frozen humble noisy polite remote",
    articles: "the a one his another that",
    links: "of_the near_the and_the with_a that_the before_the to_the beyond_a under_the without_a \
            instead_of_the during_the",
};

const GERMAN: Vocabulary = Vocabulary {
    starts: "Der Ein Jeder Dieser Kein Ihr Unser Mancher",
    nouns: "Lehrer Garten Brief Hafen Winter Maler Berg Bahnhof Arzt Markt Wald Musiker Kapitän \
            Morgen Bauer Roman Rat Schüler Turm Sommer Händler Fluss Schneider Planet Pilot \
            Minister Nachbar Tischler Kanal Schäfer Wagen Sohn König Freund Weg Tisch Abend Regen",
    verbs: "beschreibt verfolgte baute überquerte erklärt malte fand trägt besuchte änderte öffnete \
            entdeckte verkaufte schützt erreichte ersetzte zählte bewunderte kennt suchte",
    adjectives: "stille alte sorgsame schmale berühmte hölzerne ferne geduldige goldene neugierige \
                 leere schwere verborgene breite einfache unruhige fremde helle kluge laute höfliche",
    articles: "den einen seinen jenen keinen diesen",
    links: "neben_dem und_der mit_einem weil_der vor_dem zu_dem hinter_einem unter_dem ohne_den \
            statt_des während_der",
};

const FRENCH: Vocabulary = Vocabulary {
    starts: "Le Un Chaque Ce Aucun Notre Leur Quelque",
    nouns: "jardin port maître hiver peintre village pont marché médecin musicien capitaine matin \
            théâtre roman conseil élève musée château problème été marchand signal berger canal \
            voyage pilote ministre voisin charpentier chemin livre fleuve soldat bateau tableau",
    verbs: "décrit suivait construit traverse explique peignait trouve porte visitait change ouvre \
            découvre vendait protège atteint remplace comptait admire connaît cherchait",
    adjectives: "tranquille ancien prudent étroit célèbre lointain moderne patient curieux vide \
                 lourd caché large simple inquiet public étranger clair habile gelé humble bruyant",
    articles: "le un son ce cet chaque",
    links: "près_du et_le avec_un que_le avant_le vers_le derrière_un sous_le sans_le au_lieu_du \
            pendant_le",
};

const SPANISH: Vocabulary = Vocabulary {
    starts: "El Un Cada Este Ningún Nuestro Su Algún",
    nouns: "jardín puerto maestro invierno pintor pueblo puente mercado médico músico capitán día \
            teatro libro consejo alumno museo castillo problema verano comerciante pastor canal \
            viaje piloto ministro vecino carpintero camino río soldado barco cuadro oficio bosque",
    verbs: "describe seguía construyó cruza explica pintaba encontró lleva visitaba cambia abre \
            descubrió vendía protege alcanza reemplaza contaba admira conoce buscaba",
    adjectives: "tranquilo antiguo cuidadoso estrecho famoso lejano moderno paciente curioso vacío \
                 pesado escondido ancho sencillo inquieto público extranjero claro hábil helado",
    articles: "el un su aquel otro este",
    links: "cerca_del y_el con_un que_el antes_del hacia_el detrás_de_un bajo_el sin_el \
            en_lugar_del durante_el",
};

impl Vocabulary {
    fn prose(&self, seed: u64, words: usize) -> String {
        let lists = [
            self.starts,
            self.adjectives,
            self.nouns,
            self.verbs,
            self.articles,
            self.nouns,
            self.links,
            self.adjectives,
            self.nouns,
        ]
        .map(|list| list.split_whitespace().collect::<Vec<_>>());
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let (mut text, mut count) = (String::new(), 0);
        while count < words {
            if !text.is_empty() {
                text.push(' ');
            }
            let sentence = lists
                .each_ref()
                .map(|list| random.pick(list).replace('_', " "));
            text.push_str(&sentence.join(" "));
            text.push('.');
            count += 10;
        }
        text
    }
}

/// The records number `number` of a crawl, as they stand in an archive: a request, and its
/// response. One page in eight is nearly the same as the one before it, some are in other languages
/// or to be dropped.
#[must_use]
pub fn crawled(seed: u64, number: u64) -> Vec<u8> {
    let url = format!(
        "https://www{}.example.org/{seed}/{number}.html",
        number % 97
    );
    let copied = number - u64::from(number % 8 == 7);
    let vocabulary = match copied % 9 {
        2 => &GERMAN,
        4 => &FRENCH,
        5 => &SPANISH,
        _ => &ENGLISH,
    };
    let mut article: Vec<String> = (0..6 + copied % 5)
        .map(|index| {
            let words = 20 + (copied + index) as usize % 50;
            vocabulary.prose(seed.wrapping_add(copied * 64 + index), words)
        })
        .collect();
    if copied != number {
        article[0].push_str(" This sentence is new.");
    }
    if number % 11 == 10 {
        article.truncate(1);
    }
    let links: String = (0..12)
        .map(|link| format!("<li><a href='/{link}'>{}</a></li>\n", prose(link, 3)))
        .collect();
    let body: String = article
        .iter()
        .map(|text| format!("<p class=\"text\">{text}</p>\n"))
        .collect();
    let image = format!(
        "<figure><img src='../img/{number}.jpg' srcset='../img/{number}-2.jpg 2x' alt='{}'>\
         <figcaption>{}</figcaption></figure>",
        prose(number, 5),
        prose(number + 1, 5)
    );
    let style =
        "body { margin: 0 auto; font: 16px/1.5 sans-serif } .text { max-width: 40em }\n".repeat(20);
    let html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Page {number}</title>\n\
         <style>{style}</style><script>var page = {number};</script></head>\n<body><header><nav><ul>\n{links}</ul></nav></header>\n\
         <main><h1>{}</h1>\n{body}{image}</main>\n<footer><p>Terms of use. Privacy policy.</p></footer></body></html>\n",
        prose(copied, 4)
    );
    let head = format!(
        "HTTP/1.1 {} OK\r\nContent-Type: text/html; charset=utf-8\r\nServer: sample",
        if number % 23 == 22 { 404 } else { 200 }
    );
    let response = match number % 4 {
        0 => [
            format!("{head}\r\nContent-Encoding: gzip\r\n\r\n").as_bytes(),
            &gzip(html.as_bytes()),
        ]
        .concat(),
        1 => [
            format!("{head}\r\nTransfer-Encoding: chunked\r\n\r\n").as_bytes(),
            &chunked(html.as_bytes(), 1000),
        ]
        .concat(),
        _ => [format!("{head}\r\n\r\n").as_bytes(), html.as_bytes()].concat(),
    };
    warc_record("response", &url, &response)
}

/// An archive of about `bytes` bytes before compression.
#[must_use]
pub fn synthetic(seed: u64, bytes: usize, is_compressed: bool) -> Vec<u8> {
    let (mut archive, mut length) = (Vec::new(), 0);
    for number in 0.. {
        if length >= bytes {
            break;
        }
        let record = crawled(seed, number);
        length += record.len();
        archive.extend(if is_compressed { gzip(&record) } else { record });
    }
    archive
}
