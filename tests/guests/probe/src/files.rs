//! What can be done with files: through the standard library, which speaks WASI 0.2, and through WASI 0.3 itself.

use std::fs;
use std::io::{self, Write as _};

use crate::Query;
use crate::wit::wasi::filesystem::preopens;
use crate::wit::wasi::filesystem::types::{Descriptor, DescriptorFlags, NewTimestamp, OpenFlags, PathFlags};

/// `do` says what, `path` and `to` with what.
pub(crate) fn through_std(query: &Query) -> Result<String, String> {
    let (path, to) = (query.text("path"), query.text("to"));
    let done = |()| "done".to_owned();
    let result = match query.text("do").as_str() {
        "read" => fs::read_to_string(path),
        "list" => fs::read_dir(path).map(|entries| {
            let mut names: Vec<String> =
                entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
            names.sort();
            names.join(" ")
        }),
        "write" => fs::write(path, "by the plugin").map(done),
        "append" => append(&path).map(done),
        "truncate" => {
            fs::OpenOptions::new().read(true).truncate(true).write(true).open(path).map(|_| done(()))
        }
        "truncate-to" => fs::File::open(path).and_then(|file| file.set_len(0)).map(done),
        "remove" => fs::remove_file(path).map(done),
        "make-folder" => fs::create_dir(path).map(done),
        "remove-folder" => fs::remove_dir(path).map(done),
        "link" => fs::hard_link(path, to).map(done),
        "rename" => fs::rename(path, to).map(done),
        _ => Err(io::ErrorKind::Unsupported.into()),
    };
    result.map_err(|error| format!("{:?} {error}", error.kind()))
}

fn append(path: &str) -> io::Result<()> {
    fs::OpenOptions::new().append(true).create(true).open(path)?.write_all(b"more")
}

/// The same through WASI 0.3: `folder` and `to-folder` are preopened ones, `path` and `to` relative to them.
pub(crate) async fn through_wasi(query: &Query) -> Result<String, String> {
    let (path, to) = (query.text("path"), query.text("to"));
    let folder = folder(&query.text("folder"))?;
    let follow = PathFlags::SYMLINK_FOLLOW;
    let result = match query.text("do").as_str() {
        "read" => match folder.open_at(follow, path, OpenFlags::empty(), DescriptorFlags::READ).await {
            Ok(file) => {
                let (bytes, end) = file.read_via_stream(0);
                let bytes = bytes.collect().await;
                return end
                    .await
                    .map(|()| String::from_utf8_lossy(&bytes).into_owned())
                    .map_err(|code| format!("{code:?}"));
            }
            Err(code) => Err(code),
        },
        // Each of the ways to ask for it, with and without the right to write.
        "truncate" => {
            folder.open_at(follow, path, OpenFlags::TRUNCATE, DescriptorFlags::WRITE).await.map(drop)
        }
        "truncate-reading" => {
            folder.open_at(follow, path, OpenFlags::TRUNCATE, DescriptorFlags::READ).await.map(drop)
        }
        "truncate-creating" => {
            let flags = OpenFlags::TRUNCATE | OpenFlags::CREATE;
            folder.open_at(follow, path, flags, DescriptorFlags::READ).await.map(drop)
        }
        "create" => folder.open_at(follow, path, OpenFlags::CREATE, DescriptorFlags::READ).await.map(drop),
        "set-size" => match folder.open_at(follow, path, OpenFlags::empty(), DescriptorFlags::READ).await {
            Ok(file) => file.set_size(0).await,
            Err(code) => Err(code),
        },
        "set-times" => folder.set_times_at(follow, path, NewTimestamp::Now, NewTimestamp::Now).await,
        "symlink" => folder.symlink_at(path, to).await,
        "link" => {
            folder.link_at(PathFlags::empty(), path, &self::folder(&query.text("to-folder"))?, to).await
        }
        "link-following" => folder.link_at(follow, path, &self::folder(&query.text("to-folder"))?, to).await,
        "rename" => folder.rename_at(path, &self::folder(&query.text("to-folder"))?, to).await,
        _ => return Err("no such thing".to_owned()),
    };
    result.map(|()| "done".to_owned()).map_err(|code| format!("{code:?}"))
}

fn folder(name: &str) -> Result<Descriptor, String> {
    let all = preopens::get_directories();
    all.into_iter()
        .find(|(_, path)| path == name)
        .map(|(folder, _)| folder)
        .ok_or("no such folder".to_owned())
}
