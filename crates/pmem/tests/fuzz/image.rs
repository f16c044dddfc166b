//! What a case starts from: files, mostly of holes, as they are kept in the corpus.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, symlink};
use std::path::Path;

const PAGE: u64 = 4096;
const ROW: usize = 32;

/// A file's bytes. What is in no page is a hole.
#[derive(Clone, Default)]
pub struct Bytes {
    pub len: u64,
    pages: BTreeMap<u64, Vec<u8>>,
}

impl Bytes {
    pub fn read(path: &Path) -> Self {
        let content = fs::read(path).unwrap();
        let mut bytes = Self { len: content.len() as u64, ..Self::default() };
        for (number, page) in (0..).zip(content.chunks(PAGE as usize)) {
            if page.iter().any(|byte| *byte != 0) {
                bytes.put(number * PAGE, page);
            }
        }
        bytes
    }

    pub fn get(&self, offset: u64, len: usize) -> Vec<u8> {
        let byte = |at: u64| self.pages.get(&(at / PAGE)).map_or(0, |page| page[(at % PAGE) as usize]);
        (0..len as u64).map(|index| byte(offset.wrapping_add(index))).collect()
    }

    pub fn put(&mut self, offset: u64, bytes: &[u8]) {
        for (at, byte) in (offset..self.len.min(offset.saturating_add(bytes.len() as u64))).zip(bytes) {
            let page = self.pages.entry(at / PAGE).or_insert_with(|| vec![0; PAGE as usize]);
            page[(at % PAGE) as usize] = *byte;
        }
    }

    pub fn u32(&self, offset: u64) -> u32 {
        u32::from_le_bytes(self.get(offset, 4).try_into().unwrap())
    }

    pub fn u64(&self, offset: u64) -> u64 {
        u64::from_le_bytes(self.get(offset, 8).try_into().unwrap())
    }

    /// Cut, or longer by a hole.
    pub fn resize(&mut self, len: u64) {
        self.pages.retain(|page, _| page * PAGE < len);
        if let Some(page) = self.pages.get_mut(&(len / PAGE)) {
            page[(len % PAGE) as usize..].fill(0);
        }
        self.len = len;
    }

    /// The pages that hold something, by where they start.
    pub fn pages(&self) -> Vec<u64> {
        self.pages.keys().map(|page| page * PAGE).collect()
    }

    fn write(&self, path: &Path) {
        let file = File::create(path).unwrap();
        file.set_len(self.len).unwrap();
        for (number, page) in &self.pages {
            let len = (self.len - number * PAGE).min(PAGE) as usize;
            file.write_all_at(&page[..len], number * PAGE).unwrap();
        }
    }
}

#[derive(Clone)]
pub enum Entry {
    File(Bytes),
    Folder,
    /// A symbolic link.
    Link(String),
    /// Opening it waits for someone else.
    Pipe,
}

/// Files, by their names in a folder. Folders come before what is in them.
#[derive(Clone, Default)]
pub struct Image(pub BTreeMap<String, Entry>);

impl Image {
    pub fn read(folder: &Path) -> Self {
        let mut image = Self::default();
        image.add(folder, "");
        image
    }

    fn add(&mut self, folder: &Path, prefix: &str) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = format!("{prefix}{}", path.file_name().unwrap().to_str().unwrap());
            if path.is_dir() {
                self.add(&path, &format!("{name}/"));
                self.0.insert(name, Entry::Folder);
            } else {
                self.0.insert(name, Entry::File(Bytes::read(&path)));
            }
        }
    }

    pub fn write(&self, folder: &Path) {
        for (name, entry) in &self.0 {
            let path = folder.join(name);
            match entry {
                Entry::File(bytes) => bytes.write(&path),
                Entry::Folder => fs::create_dir(path).unwrap(),
                Entry::Link(target) => symlink(target, path).unwrap(),
                Entry::Pipe => nix::unistd::mkfifo(&path, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap(),
            }
        }
    }

    /// The names of its files.
    pub fn files(&self) -> Vec<String> {
        let is_file = |(_, entry): &(&String, &Entry)| matches!(entry, Entry::File(_));
        self.0.iter().filter(is_file).map(|(name, _)| name.clone()).collect()
    }

    pub fn file(&mut self, name: &str) -> &mut Bytes {
        match self.0.get_mut(name) {
            Some(Entry::File(bytes)) => bytes,
            _ => panic!("'{name}' is no file"),
        }
    }

    /// A line for each entry, and below a file's one for each row of it that holds something: its offset and its bytes.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (name, entry) in &self.0 {
            match entry {
                Entry::File(bytes) => write_file(&mut text, name, bytes),
                Entry::Folder => writeln!(text, "folder {name}").unwrap(),
                Entry::Link(target) => writeln!(text, "link {name} {target}").unwrap(),
                Entry::Pipe => writeln!(text, "pipe {name}").unwrap(),
            }
        }
        text
    }

    pub fn parse(text: &str) -> Self {
        let (mut image, mut file) = (Self::default(), String::new());
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["file", name, len] => {
                    file = name.to_owned();
                    let bytes = Bytes { len: len.parse().unwrap(), ..Bytes::default() };
                    image.0.insert(file.clone(), Entry::File(bytes));
                }
                ["folder", name] => drop(image.0.insert(name.to_owned(), Entry::Folder)),
                ["link", name, target] => drop(image.0.insert(name.to_owned(), Entry::Link(target.to_owned()))),
                ["pipe", name] => drop(image.0.insert(name.to_owned(), Entry::Pipe)),
                [offset, row] => {
                    let byte = |at| u8::from_str_radix(&row[at..at + 2], 16).unwrap();
                    let bytes: Vec<u8> = (0..row.len()).step_by(2).map(byte).collect();
                    image.file(&file).put(u64::from_str_radix(offset, 16).unwrap(), &bytes);
                }
                _ => panic!("this is no line of an image: {line}"),
            };
        }
        image
    }
}

fn write_file(text: &mut String, name: &str, bytes: &Bytes) {
    writeln!(text, "file {name} {}", bytes.len).unwrap();
    for (number, page) in &bytes.pages {
        for (row, bytes) in page.chunks(ROW).enumerate() {
            let Some(last) = bytes.iter().rposition(|byte| *byte != 0) else { continue };
            write!(text, "{:x} ", number * PAGE + (row * ROW) as u64).unwrap();
            bytes[..=last].iter().for_each(|byte| write!(text, "{byte:02x}").unwrap());
            text.push('\n');
        }
    }
}
