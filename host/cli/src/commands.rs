//! One file per verb: a function of resolved settings and printer that returns an exit status.

pub(crate) mod backend_list;
pub(crate) mod bench;
pub(crate) mod completions;
pub(crate) mod config_show;
pub(crate) mod external;
pub(crate) mod keys;
pub(crate) mod models_info;
pub(crate) mod models_list;
pub(crate) mod plugin_build;
pub(crate) mod plugin_call;
pub(crate) mod plugin_explain;
pub(crate) mod plugin_grant;
pub(crate) mod plugin_info;
pub(crate) mod plugin_inspect;
pub(crate) mod plugin_install;
pub(crate) mod plugin_list;
pub(crate) mod plugin_new;
pub(crate) mod plugin_pack;
pub(crate) mod plugin_sign;
pub(crate) mod plugin_test;
pub(crate) mod plugin_watch;
pub(crate) mod reference;
pub(crate) mod run;
pub(crate) mod serve;
pub(crate) mod validate;
pub(crate) mod worker;
