//! Tells code from comments and text: as much Rust as the rules need.

/// A line of a file, in its parts.
#[derive(Default)]
pub struct Line {
    /// As it stands in the file.
    pub raw: String,
    /// The code; comments and the insides of literals are blank.
    pub code: String,
    /// The comment on it, with its slashes.
    pub comment: String,
    /// The text literals that begin on it.
    pub texts: Vec<String>,
}

/// Splits a file into lines.
pub fn lines(text: &str) -> Vec<Line> {
    let mut lexer = Lexer { chars: text.chars().collect(), at: 0, lines: vec![Line::default()] };
    while lexer.at < lexer.chars.len() {
        lexer.step();
    }
    for (line, raw) in lexer.lines.iter_mut().zip(text.lines()) {
        line.raw = raw.to_owned();
    }
    lexer.lines
}

struct Lexer {
    chars: Vec<char>,
    at: usize,
    lines: Vec<Line>,
}

impl Lexer {
    fn step(&mut self) {
        match (self.peek(0), self.peek(1)) {
            ('/', '/') => self.line_comment(),
            ('/', '*') => self.block_comment(),
            ('"', _) => self.text(None),
            ('r', '"' | '#') if self.starts_raw_text() => self.raw_text(),
            ('\'', _) if self.starts_char() => self.character(),
            (one, _) => {
                self.code(one);
                self.at += 1;
            }
        }
    }

    fn peek(&self, ahead: usize) -> char {
        self.chars.get(self.at + ahead).copied().unwrap_or('\0')
    }

    fn line(&mut self) -> &mut Line {
        self.lines.last_mut().expect("there is always one")
    }

    fn code(&mut self, one: char) {
        match one {
            '\n' => self.lines.push(Line::default()),
            one => self.line().code.push(one),
        }
    }

    fn line_comment(&mut self) {
        while self.at < self.chars.len() && self.peek(0) != '\n' {
            let one = self.peek(0);
            self.line().comment.push(one);
            self.at += 1;
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0;
        while self.at < self.chars.len() {
            match (self.peek(0), self.peek(1)) {
                ('/', '*') => depth += 1,
                ('*', '/') => depth -= 1,
                ('\n', _) => self.code('\n'),
                (one, _) => self.line().comment.push(one),
            }
            let is_edge = matches!((self.peek(0), self.peek(1)), ('/', '*') | ('*', '/'));
            self.at += if is_edge { 2 } else { 1 };
            if depth == 0 {
                return;
            }
        }
    }

    /// Reads a literal up to its end: a quote, and as many `#` as it began with
    /// where it is raw. Only other literals have escapes.
    fn text(&mut self, raw_marks: Option<usize>) {
        let begun = self.lines.len() - 1;
        let mut content = String::new();
        self.code('"');
        self.at += 1;
        while self.at < self.chars.len() {
            let one = self.peek(0);
            match (one, raw_marks) {
                ('\\', None) => {
                    content.push(self.peek(1));
                    if self.peek(1) == '\n' {
                        self.code('\n');
                    }
                    self.at += 2;
                    continue;
                }
                ('"', None) => break,
                ('"', Some(marks)) if (1..=marks).all(|ahead| self.peek(ahead) == '#') => break,
                ('\n', _) => self.code('\n'),
                _ => {}
            }
            content.push(one);
            self.at += 1;
        }
        self.code('"');
        self.at += 1 + raw_marks.unwrap_or(0);
        self.lines[begun].texts.push(content);
    }

    fn starts_raw_text(&self) -> bool {
        let before = self.at.checked_sub(1).map_or(' ', |index| self.chars[index]);
        let is_word = before.is_alphanumeric() && before != 'b' || before == '_';
        let mut ahead = 1;
        while self.peek(ahead) == '#' {
            ahead += 1;
        }
        !is_word && self.peek(ahead) == '"'
    }

    fn raw_text(&mut self) {
        self.at += 1;
        let mut marks = 0;
        while self.peek(0) == '#' {
            marks += 1;
            self.at += 1;
        }
        self.text(Some(marks));
    }

    /// A quote begins a character, or else a lifetime.
    fn starts_char(&self) -> bool {
        self.peek(1) == '\\' || self.peek(2) == '\''
    }

    fn character(&mut self) {
        self.at += if self.peek(1) == '\\' { 3 } else { 2 };
        while self.peek(0) != '\'' && self.at < self.chars.len() {
            self.at += 1;
        }
        self.at += 1;
    }
}

#[test]
fn code_comments_and_texts_come_apart() {
    let line = |text: &str| {
        let line = lines(text).remove(0);
        (line.code, line.comment, line.texts.join("|"))
    };
    let parts = |code: &str, comment: &str, texts: &str| {
        (code.to_owned(), comment.to_owned(), texts.to_owned())
    };
    assert_eq!(line("a; // b \"c\""), parts("a; ", "// b \"c\"", ""));
    assert_eq!(line(r#"f("a // b", 'x', '"')"#), parts(r#"f("", , )"#, "", "a // b"));
    assert_eq!(line(r##"f(r#"a "b""#)"##), parts(r#"f("")"#, "", r#"a "b""#));
    assert_eq!(line(r#"f("a\"b", "c")"#), parts(r#"f("", "")"#, "", r#"a"b|c"#));
    assert_eq!(line("fn f<'a>(x: &'a str)"), parts("fn f<'a>(x: &'a str)", "", ""));
    assert_eq!(line("a /* b /* c */ */ d"), parts("a  d", " b  c  ", ""));
    let two = lines("let a = \"x\ny\"; b");
    assert_eq!((&*two[0].code, &*two[1].code), ("let a = \"", "\"; b"));
}
