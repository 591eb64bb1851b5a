//! The judge role: scores answers of a model.

use futures::FutureExt as _;

use super::bindings::judge::PlayingPre;
use crate::capability::bindings::inferno::host::work::{Sample, Verdict};
use crate::error::Error;
use crate::plugin::Plugin;
use crate::session::{Order, Session};
use crate::state::{Caller, State, Surroundings};

pub(crate) type Judge = PlayingPre<State>;

impl Plugin {
    /// Has the plugin judge answers: one verdict for each, in order, with scores from 0 to 1. `config` is JSON text.
    pub async fn judge(
        &self,
        caller: Caller,
        config: &str,
        samples: Vec<Sample>,
    ) -> Result<Vec<Verdict>, Error> {
        self.judge_for(caller.into(), config.to_owned(), samples).await
    }

    pub(crate) async fn judge_for(
        &self,
        order: Order,
        config: String,
        samples: Vec<Sample>,
    ) -> Result<Vec<Verdict>, Error> {
        let judge = self.inner.roles.judge.as_ref().ok_or_else(|| self.plays_no("judge"))?;
        let expected = samples.len();
        let limits = &self.inner.limits;
        let mut session = Session::open(self, "judge", judge, order, limits, &Surroundings::Service).await?;
        let verdicts = session
            .call(move |live| {
                async move {
                    let judge = live.guest.inferno_plugin_judge();
                    judge.call_judge(&mut live.store, &config, &samples).await
                }
                .boxed()
            })
            .await?;
        if verdicts.len() != expected {
            return Err(
                session.breach(format_args!("it gave {} verdicts for {expected} samples", verdicts.len()))
            );
        }
        if let Some(index) = verdicts.iter().position(|verdict| !(0.0..=1.0).contains(&verdict.score)) {
            let score = verdicts[index].score;
            return Err(session.breach(format_args!(
                "the score of sample {} is {score}, and scores are from 0 to 1",
                index + 1
            )));
        }
        Ok(verdicts)
    }
}
