//! The `inferno` program; everything it does is in the library beside it.

fn main() -> std::process::ExitCode {
    inferno::cli::main()
}
