//! What a backend's code needs of the processor. A library for newer processors can lie beside others: where it would
//! not run it is passed over, so that one set of files serves every machine with the fastest that it can use.

/// Those of these features that this processor lacks; one that nobody knows is lacking.
pub(crate) fn lacking(needs: &[String]) -> Vec<&str> {
    needs.iter().map(String::as_str).filter(|feature| !has(feature)).collect()
}

macro_rules! features {
    ($detect:ident: $($feature:tt)*) => {
        fn has(feature: &str) -> bool {
            match feature {
                $($feature => std::arch::$detect!($feature),)*
                _ => false,
            }
        }
    };
}

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
features!(is_x86_feature_detected:
    "avx" "avx2" "avx512bf16" "avx512bw" "avx512cd" "avx512dq" "avx512f" "avx512vbmi" "avx512vl" "avx512vnni" "avxvnni"
    "bmi2" "f16c" "fma" "sse4.2");

#[cfg(target_arch = "aarch64")]
features!(is_aarch64_feature_detected: "bf16" "dotprod" "fp16" "i8mm" "sve" "sve2");

#[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
fn has(_feature: &str) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feature_that_nobody_knows_is_lacking() {
        assert!(lacking(&[]).is_empty());
        assert_eq!(lacking(&["warp".to_owned()]), ["warp"]);
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn a_feature_that_is_there_is_not() {
        let there = std::arch::is_x86_feature_detected!("avx2");
        assert_eq!(lacking(&["avx2".to_owned()]).is_empty(), there);
    }
}
