//! The built program as a user meets it: one temporary home for each test, no variables but ours.

mod basics;
mod config;
mod harness;
mod listings;
mod run;
