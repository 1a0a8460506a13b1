//! An S3 that says "done", and keeps only the first kilobyte of what it was sent. It knows PUT, GET and HEAD.

use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

use gobag_format::ids::WorkspaceId;

const KEPT: usize = 1024;

type Objects = Arc<Mutex<HashMap<String, Vec<u8>>>>;

pub(crate) struct Store {
    pub(crate) place: String,
}

impl Store {
    /// Starts one with a workspace that all members may write. It ends with the test.
    pub(crate) fn start(workspace: WorkspaceId) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let place = format!("s3://b/p?endpoint=http://{}", listener.local_addr().unwrap());
        let marker = format!(r#"{{"format":1,"workspace":"{workspace}","mode":"conditional"}}"#);
        let objects = Objects::default();
        let name = "/b/p/gobag-workspace".to_owned();
        objects.lock().unwrap().insert(name, marker.into_bytes());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let objects = Arc::clone(&objects);
                std::thread::spawn(move || serve(stream, &objects));
            }
        });
        Self { place }
    }
}

/// Answers until who asks has enough.
fn serve(mut stream: TcpStream, objects: &Objects) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|len| *len > 0)?;
        let mut words = line.split_whitespace();
        let (method, name) = (words.next()?.to_owned(), words.next()?.to_owned());
        let mut length = 0;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).ok()?;
            let header = header.trim().to_ascii_lowercase();
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
            if header.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let mut objects = objects.lock().unwrap();
        let (status, found) = match (method.as_str(), objects.get(&name)) {
            ("PUT", _) => {
                body.truncate(KEPT);
                objects.insert(name, body);
                ("200 OK", Vec::new())
            }
            (_, Some(object)) => ("200 OK", object.clone()),
            (_, None) => ("404 Not Found", Vec::new()),
        };
        write!(
            stream,
            "HTTP/1.1 {status}\r\ncontent-length: {}\r\netag: \"1\"\r\n\r\n",
            found.len()
        )
        .ok()?;
        if method != "HEAD" {
            stream.write_all(&found).ok()?;
        }
    }
}
