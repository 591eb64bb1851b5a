//! One model, loaded, that answers one request after the other: what `run` and `bench` share.

use std::path::Path;
use std::time::{Duration, Instant};

use futures::StreamExt;
use inferno_inference::models::Model;
use inferno_inference::{Classify, Event, Finish, Generate, Inference, ModelInfo, Tensors, Usage};

use crate::failure::Failure;
use crate::host;
use crate::printer::Printer;
use crate::progress;
use crate::settings::Settings;

/// A loaded model.
pub(crate) struct Session {
    inference: Inference,
    pub(crate) model: Model,
    pub(crate) info: ModelInfo,
    pub(crate) load: Duration,
}

/// What became of a request.
pub(crate) struct Answer {
    pub(crate) text: String,
    pub(crate) finish: Finish,
    /// Not known where the answer was stopped before its end.
    pub(crate) usage: Option<Usage>,
    /// From the request to the first text; none where there was no text.
    pub(crate) first: Option<Duration>,
    pub(crate) total: Duration,
}

impl Answer {
    /// Tokens per second after the first one, which belongs to the prompt's time.
    pub(crate) fn decode_rate(&self) -> Option<f64> {
        let tokens = self.usage?.output_tokens.checked_sub(1).filter(|tokens| *tokens > 0)?;
        let time = self.total.checked_sub(self.first?)?.as_secs_f64();
        (time > 0.0).then(|| f64::from(tokens) / time)
    }
}

impl Session {
    /// Finds and loads the model, maybe with another projector than its own; Ctrl-C gives up.
    pub(crate) async fn open(
        settings: &Settings,
        name: Option<&str>,
        projector: Option<&Path>,
        printer: Printer,
    ) -> Result<Self, Failure> {
        let models = host::models(settings)?;
        let mut model = host::find_model(&models, settings, name)?;
        if let Some(projector) = projector {
            model.see_with(projector).map_err(Failure::new)?;
        }
        let inference = host::inference(settings, models, 1)?;
        let started = Instant::now();
        let label = format!("loading {}", model.name);
        let loading = progress::during(printer, &label, async |share| {
            inference.load_on(&model, |loaded| share.set(loaded)).await
        });
        let info = tokio::select! {
            info = loading => info?,
            () = interrupt() => return Err(Failure::interrupted()),
        };
        Ok(Self { inference, model, info, load: started.elapsed() })
    }

    /// Answers a request; each piece of text is handed on as it comes. Ctrl-C stops the answer, which is then
    /// [`Finish::Cancelled`].
    pub(crate) async fn answer(
        &self,
        request: Generate,
        mut on_text: impl FnMut(&str) -> Result<(), Failure>,
    ) -> Result<Answer, Failure> {
        let started = Instant::now();
        let mut answer = Answer {
            text: String::new(),
            finish: Finish::Cancelled,
            usage: None,
            first: None,
            total: Duration::ZERO,
        };
        let mut writing = Box::pin(async {
            let mut generation = self.inference.generate_on(&self.model, request).await?;
            while let Some(event) = generation.next().await {
                match event? {
                    Event::Text(text) => {
                        answer.first.get_or_insert_with(|| started.elapsed());
                        on_text(&text)?;
                        answer.text.push_str(&text);
                    }
                    Event::Done { finish, usage } => {
                        answer.finish = finish;
                        answer.usage = Some(usage);
                    }
                    _ => {}
                }
            }
            Ok::<(), Failure>(())
        });
        tokio::select! {
            result = &mut writing => result?,
            () = interrupt() => {}
        }
        // Whatever is unfinished is dropped here, which cancels it.
        drop(writing);
        answer.total = started.elapsed();
        Ok(answer)
    }

    /// Says what a text is: a line of JSON.
    pub(crate) async fn classify(&self, text: String) -> Result<String, Failure> {
        let request = Classify { inputs: vec![text] };
        tokio::select! {
            labels = self.inference.classify_on(&self.model, request) => Ok(labels?),
            () = interrupt() => Err(Failure::interrupted()),
        }
    }

    /// Computes with tensors; what comes is JSON.
    pub(crate) async fn tensors(&self, request: Tensors) -> Result<String, Failure> {
        tokio::select! {
            outputs = self.inference.tensors_on(&self.model, request) => Ok(outputs?),
            () = interrupt() => Err(Failure::interrupted()),
        }
    }

    /// Ends the worker.
    pub(crate) async fn close(self) {
        self.inference.shutdown(Duration::ZERO).await;
    }
}

/// Resolves at the next Ctrl-C; never where the system cannot tell.
pub(crate) async fn interrupt() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
