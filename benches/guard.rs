//! What the guard costs on the way of each request. Aim: a browser's head in at most 400 ns.
//!
//! `cargo bench --bench guard`

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use preau::front::guard::{Guard, Verdict};
use std::hint::black_box;

/// What Firefox sends for a page, with a session of the portal and a pass of ours.
const BROWSER: &str = "GET /espace/cahier-de-textes?semaine=48 HTTP/1.1\r\n\
    Host: ent.example.fr\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
    Accept-Language: fr,fr-FR;q=0.8,en-US;q=0.5,en;q=0.3\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Referer: https://ent.example.fr/espace\r\n\
    DNT: 1\r\n\
    Connection: keep-alive\r\n\
    Cookie: PHPSESSID=3jk2l3kj42lk3j4lk23j4; __Host-preau-ent=AQEC2o6OegAAwJJGsAYA0tc6CaIBVMKnnOxKCRb87rCmw7NnSg\r\n\
    Upgrade-Insecure-Requests: 1\r\n\
    Sec-Fetch-Dest: document\r\n\
    Sec-Fetch-Mode: navigate\r\n\
    Sec-Fetch-Site: same-origin\r\n\
    Priority: u=0, i\r\n\
    \r\n";

fn guard(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("guard");
    let head = BROWSER.as_bytes();
    group.throughput(Throughput::Bytes(head.len() as u64));
    let mut guard = Guard::new(32 * 1024);
    group.bench_function("a browser's head", |bencher| {
        bencher.iter(|| {
            let verdict = guard.judge(black_box(head));
            assert_eq!(verdict, Ok(Verdict::Pass(head.len())));
        });
    });
    // The same reader alone, which hyper runs again: what cannot be saved.
    group.bench_function("httparse alone", |bencher| {
        bencher.iter(|| {
            let mut fields = [httparse::EMPTY_HEADER; 32];
            let mut request = httparse::Request::new(&mut fields);
            let read = request.parse(black_box(head));
            assert!(read.is_ok_and(|status| status.is_complete()));
        });
    });
    let chunk = [b"4000\r\n".to_vec(), vec![b'a'; 0x4000], b"\r\n".to_vec()].concat();
    group.throughput(Throughput::Bytes(chunk.len() as u64));
    group.bench_function("a chunk of 16 KiB", |bencher| {
        let start = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        let mut guard = Guard::new(32 * 1024);
        assert_eq!(guard.judge(start), Ok(Verdict::Pass(start.len())));
        bencher.iter(|| {
            let verdict = guard.judge(black_box(&chunk));
            assert_eq!(verdict, Ok(Verdict::Pass(chunk.len())));
        });
    });
    group.finish();
}

criterion_group!(benches, guard);
criterion_main!(benches);
