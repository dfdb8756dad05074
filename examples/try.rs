use wagonway::{config::Config, replay::*};
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let config = Config::embedded_default().unwrap();
    if args[1] == "bench" {
        let r = bench(&BenchOptions {
            config,
            sizes: vec![Size::Fixed(64), Size::Imix],
            flows: 4000,
            routes: None,
            workers: Some(args[2].parse().unwrap()),
            packets: 20_000_000,
            seed: 1,
            progress: false,
        });
        match r {
            Ok(r) => println!("{}", serde_json::to_string_pretty(&r).unwrap()),
            Err(e) => println!("{e} {:?}", e.hint()),
        }
        return;
    }
    if args[1] == "run" {
        let c = Config::load(std::path::Path::new(&args[2])).unwrap_or_else(|e| {
            eprintln!("{e}");
            std::process::exit(1)
        });
        if let Err(e) = wagonway::live::run(c) {
            eprintln!("{e} {:?}", e.hint());
            std::process::exit(1);
        }
        return;
    }
    if args[1] == "sample" {
        wagonway::capture::sample_capture(&args[2], args[3].parse().unwrap(), 1).unwrap();
        return;
    }
    let o = Options {
        config,
        captures: vec![("lan".into(), args[2].clone().into())],
        write: (args.len() > 4).then(|| args[4].clone().into()),
        repeat: 1,
        workers: Some(args[3].parse().unwrap()),
        strict_mac: false,
        strict_neighbours: false,
        routes_auto: false,
        progress: false,
    };
    match replay(&o) {
        Ok(r) => println!("{}", serde_json::to_string_pretty(&r).unwrap()),
        Err(e) => println!("{e} {:?}", e.hint()),
    }
}
