//! Tensors of tokens in, numbers out.

use half::{bf16, f16};
use inferno_backend::Error;
use ort::value::{DynValue, Tensor, TensorElementType};

use crate::graph::Port;

/// Whole numbers for an input, which wants them in 64 or in 32 bits.
pub(crate) fn integers(port: &Port, shape: [usize; 2], numbers: Vec<i64>) -> Result<DynValue, Error> {
    let made = match port.kind {
        TensorElementType::Int64 => Tensor::from_array((shape, numbers)).map(|tensor| tensor.into_dyn()),
        TensorElementType::Int32 => {
            let small = numbers.into_iter().map(|number| i32::try_from(number).unwrap_or(i32::MAX));
            Tensor::from_array((shape, small.collect::<Vec<i32>>())).map(|tensor| tensor.into_dyn())
        }
        other => {
            return Err(Error::invalid(format!(
                "the graph's input `{}` has the type {other}, which tokens are not made into",
                port.name
            )));
        }
    };
    made.map_err(computing)
}

/// The sizes of an output and its numbers from the place `from` on, `count` of them; of all of them where it is absent.
pub(crate) fn numbers(
    value: &DynValue,
    range: impl FnOnce(&[usize]) -> Option<std::ops::Range<usize>>,
) -> Result<(Vec<usize>, Vec<f32>), Error> {
    let wrong = || Error::internal("the graph gave an output of another form than it said");
    let (kind, shape) = value.dtype().tensor_type().zip(value.dtype().tensor_shape()).ok_or_else(wrong)?;
    let shape: Vec<usize> =
        shape.iter().map(|&size| usize::try_from(size)).collect::<Result<_, _>>().map_err(|_| wrong())?;
    let range = range(&shape).ok_or_else(wrong)?;
    let numbers = match kind {
        TensorElementType::Float32 => {
            let (_, data) = value.try_extract_tensor::<f32>().map_err(computing)?;
            data.get(range).map(<[f32]>::to_vec)
        }
        TensorElementType::Float16 => {
            let (_, data) = value.try_extract_tensor::<f16>().map_err(computing)?;
            data.get(range).map(|data| data.iter().map(|number| number.to_f32()).collect())
        }
        TensorElementType::Bfloat16 => {
            let (_, data) = value.try_extract_tensor::<bf16>().map_err(computing)?;
            data.get(range).map(|data| data.iter().map(|number| number.to_f32()).collect())
        }
        other => {
            return Err(Error::invalid(format!(
                "the graph's output has the type {other}, which is no number to read"
            )));
        }
    };
    Ok((shape, numbers.ok_or_else(wrong)?))
}

/// What went wrong in the runtime.
pub(crate) fn computing(error: ort::Error) -> Error {
    Error::internal(format!("ONNX Runtime could not compute: {}", line(&error.to_string())))
}

/// The first line, without the places in the runtime's own code.
pub(crate) fn line(message: &str) -> String {
    let line = message.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim();
    line.chars().take(400).collect()
}
