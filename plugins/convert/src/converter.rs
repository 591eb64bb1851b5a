//! The converter role: the work of one instance, for the engine in another one or for whoever has a model converted.

use std::any::Any;
use std::path::Path;

use inferno_sdk::converter::{self, INPUT, OUTPUT, Route};
use inferno_sdk::{Error, kv};

use crate::conversion::Conversion;
use crate::engine::{Here, Manner, Target};
use crate::fault::invalid;
use crate::given::Given;
use crate::options::Options;
use crate::progress::Progress;
use crate::routes;

/// Converts.
pub(crate) struct Converter;

impl converter::Converter for Converter {
    type Options = Options;

    fn routes() -> Vec<Route> {
        routes::all()
    }

    fn convert(route: Route, options: Options) -> Result<Vec<String>, Error> {
        let way = routes::way(&route.source, &route.target)
            .ok_or_else(|| routes::none(&route.source, &route.target, &[]))?;
        let (input, output) = (Path::new(INPUT), Path::new(OUTPUT));
        if let Some(task) = &options.task {
            return task.perform(input, output);
        }
        let given = match &options.model {
            Some(model) => Given::at(&input.join(model))?,
            None => Given::at(input)?,
        };
        if given.format != way.source {
            return Err(invalid(format!("the model is {}, and not {}", given.format, way.source)));
        }
        let name = options
            .name
            .clone()
            .unwrap_or_else(|| if way.folder { "model".to_owned() } else { format!("model.{}", way.target) });
        if Path::new(&name).file_name().is_none_or(|plain| plain != name.as_str()) {
            return Err(invalid(format!("{name:?} is no name for a result")));
        }
        let target = Target { path: output.join(&name), folder: way.folder };
        let conversion =
            Conversion { given: &given, way, choices: &options.choices, target, manner: Manner::default() };
        let mut progress = Progress::silent(&name);
        let report = futures::executor::block_on(conversion.run(&Here, lock, &mut progress, |_| ()))?;
        let files = report.recipe["outputs"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|file| file["file"].as_str());
        Ok(files.map(|file| if way.folder { format!("{name}/{file}") } else { file.to_owned() }).collect())
    }
}

/// The host's lock of a name.
pub(crate) fn lock(name: &str) -> Result<Option<Box<dyn Any>>, Error> {
    Ok(kv::try_lock(name)?.map(|lock| Box::new(lock) as Box<dyn Any>))
}
