//! Ivan: a Slack bot that carries out `done`, `comment` and `create` in ClickUp and GitHub.
//!
//! # The map
//!
//! ```text
//! src/
//! ├── main.rs        command line, logging, exit status
//! ├── lib.rs         this map
//! ├── app.rs         wiring: Config → App → run until told to stop; app/services.rs: the services of `ivan init` ·
//! │                  app/reload.rs: changes of bot.toml while it runs · app/systemd.rs: ready, state, not stuck · app/standby.rs: waits to lead, restores, replicates
//! ├── runtime.rs     shutdown token, supervisor of named tasks, back-off, rate limiter, lock, reloadable settings: one of each; runtime/failing.rs: log throttle · runtime/fence.rs: until when it may send
//! ├── telemetry.rs   facts for traces, noted where they arise; telemetry/queue.rs: they wait here (feature `otel`)
//! ├── limits.rs      every limit, by name: counted and logged where it is reached
//! ├── clock.rs       the app's clock, which tests can shift
//! ├── lenient.rs     JSON from outside, read leniently and in little memory
//! ├── scan_cost.rs   test: the time of a scanner grows with its text
//! ├── messages.rs    test: a sample of every message, and docs/messages.md made of them
//! ├── fuzzing.rs     entry points of `fuzz/`, and property tests over them; clickup/fuzzing.rs, github/fuzzing.rs, http/fuzzing.rs,
//! │                  http_client/fuzzing.rs, slack/fuzzing.rs
//! ├── config/        bot.toml, environment and *_file → Config, or every mistake at once
//! │   └── layers.rs: origins · changes.rs: changed keys · reader.rs: keys → values · network.rs: addresses · lines.rs: lines of keys · remarks.rs: example values, open files · secret.rs: tokens that do not print · token.rs: hashes of API tokens
//! ├── domain/        values and decisions: no IO, no clock, nothing of Slack, HTTP or SQL
//! │   ├── task.rs · ids.rs · person.rs · link.rs · entity.rs · profile.rs      tasks, row ids, people, their accounts, clients, sources
//! │   ├── address.rs                                                           addresses of GitHub's pages and API
//! │   ├── checkup.rs · finding.rs · directory.rs                                            facts about tokens, listed places and people, for `doctor` and `init`
//! │   ├── access.rs                                                            the tasks that a person may name
//! │   ├── command.rs · filter.rs · when.rs · mention.rs                        REFs, filters, times and mentions as people type them
//! │   ├── score.rs · queue.rs · blocking.rs · morning.rs · schedule.rs         order of the queue, the pin, the briefing, quiet hours
//! │   ├── operation.rs · change.rs · undo.rs · writes.rs · source.rs           writes, their undo, and the traits of a source
//! │   ├── carry_out.rs                                                         the one decision about sending a write
//! │   ├── event.rs · log.rs · set_aside.rs · service_levels.rs · overview.rs · stats.rs · export.rs   reports of sources, entries of the log, work set aside, how soon commands had their outcome, facts of the status page, figures of a week or a month, exported rows
//! │   ├── reply.rs · reply/acts.rs · reply/arrivals.rs · reply/several.rs: receipts of several tasks · reply/tokens.rs · reply/files.rs · card.rs · home.rs · form.rs               answers, cards, the Home tab, forms
//! │   ├── reason.rs · spelling.rs · labels.rs                                  reasons of failures for people and operators, typos, labels and tags
//! │   └── shared_file.rs: links to files, and their readers · mention_text.rs · signature.rs · markdown.rs · pings.rs · controls.rs · reaction.rs · receipts.rs · scope.rs    text with mentions, the author's name below, Markdown, strangers' mentions, control characters, reactions, scopes
//! ├── command_tx/    CommandTx: the reads and writes of verbs in their transaction
//! │   └── stop.rs: Rejection, Stop, CommandError · settings.rs · health.rs · logins.rs: waiting logins, unshown tokens
//! ├── verbs/         one file a verb: its arguments, its grammar, its decision, its words; mod.rs has the table
//! │   ├── done.rs · comment.rs · create.rs · current.rs · next.rs · start.rs · pause.rs · snooze.rs · reopen.rs · assign.rs ·
//! │   │   claim.rs · due.rs · prio.rs · label.rs · milestone.rs · retype.rs · attach.rs · undo.rs · confirm.rs · why.rs · list.rs · find.rs · morning.rs · briefing.rs · quiet.rs · receipts.rs · log.rs · stats.rs ·
//! │   │   status.rs · whoami.rs · link.rs · unlink.rs · token.rs · mute.rs · unmute.rs · help.rs · offers.rs: texts that are no command
//! │   └── many.rs: one verb for several tasks · grammar.rs: words, options, REFs · named.rs: `[REF] NAME|none` · line.rs: command lines · line_format.rs: lines for prompts · body.rs, schema.rs: JSON bodies · texts.rs: signed texts · schedule.rs · gestures.rs: buttons, forms, reactions
//! ├── commands/      runs a verb for a person: an answer now, or a durable operation
//! │   └── run.rs: limits, idempotency keys · transaction.rs: commit or roll back · identity.rs: accounts · background.rs: work that nobody waits for ·
//! │       find.rs, log.rs, morning.rs, overview.rs, schedule.rs, stats.rs, why.rs: reads over HTTP · set_aside.rs: retry · tokens.rs: people's own tokens and their logins
//! ├── mailbox/       messages in and out; runs a command in the transaction of its message
//! │   ├── incoming.rs · gestures.rs · meaning.rs     messages, reactions and buttons that arrive, and the command they mean
//! │   ├── answer.rs · outgoing.rs · reactions.rs     replies and outcomes of posts
//! │   ├── arrivals.rs · home.rs · forms.rs · schedule.rs    members who come to Ivan, Home tabs, forms, due briefings and held notices
//! │   └── shown.rs · lost.rs · status.rs · strangers.rs · attempts.rs · progress.rs · tokens.rs    what people have seen, a store that was put back, health, unknown members, attempts, messages with tokens
//! ├── outbox.rs      carries operations out: a lane per person and task, repeating, giving up
//! ├── completion.rs  a command's operations → its report, its message and the pin (completion/pins.rs); completion/several.rs: one receipt for several tasks
//! ├── inbox.rs       webhook deliveries → source events → ingest; inbox/flood.rs: waits while many come in
//! ├── reconcile.rs   polls → source events → ingest; reconcile/comments.rs: comments
//! ├── ingest.rs      a source's report about a task → the mirror, and notices
//! ├── linking.rs     proofs of accounts → links, and news of them to operators
//! ├── notices.rs     changes of a task → notices to the people concerned
//! ├── cards.rs       cards in Slack, redrawn when their task changes
//! ├── recovery.rs    missed deliveries, suspended webhooks, reports to operators
//! ├── set_aside.rs   work that ended the process twice
//! ├── store/         SQLite and all SQL
//! │   ├── pool.rs: one writer that commits in groups, readers beside it · db.rs: a connection, its prepared statements and its counters
//! │   ├── migrate.rs · prune.rs · private.rs: file modes · key.rs: encrypted secrets · columns.rs · checkup.rs: a look for `doctor` · causes.rs: a look for the demo's page · backup.rs: copies · export.rs: rows of `ivan export` · generation.rs: a mark that shows an older copy
//! │   ├── open_tasks.rs: open tasks in memory, in the order of queues · search.rs: full text · unsent.rs: requests begun and not sent
//! │   ├── overview.rs: facts of the status page
//! │   └── one file a table: tasks.rs · blocking.rs · comments.rs · people.rs · links.rs · link_requests.rs · schedules.rs · log.rs · slack_events.rs · forms.rs · questions.rs · gauges.rs: numbers for metrics · service_levels.rs: times of writes ·
//! │       operations.rs · effects.rs · snoozes.rs · messages.rs · reactions.rs · homes.rs · deliveries.rs · pauses.rs · restored.rs ·
//! │       set_aside.rs · tombstones.rs · traces.rs: commands and writes of spans · idle.rs · arrivals.rs · personal_tokens.rs · access.rs: rules and mentions
//! ├── standby.rs     the lease by which one of several daemons leads: standby/lease.rs · standby/s3.rs: its object
//! ├── traces.rs      facts → spans → an OpenTelemetry collector (feature `otel`): traces/spans.rs · traces/collector.rs: its HTTP client
//! ├── tls.rs         the TLS configuration of all clients
//! ├── http_client.rs one HTTP exchange with a source
//! │   └── request.rs · verdict.rs: meanings of answers · webhook.rs: signatures · clients.rs, fake.rs, damage.rs: tests of both clients
//! ├── clickup/       a source: wire.rs, client.rs, writer.rs, undo.rs, hook.rs, poll.rs, due.rs, files.rs: attachments, accounts.rs, checkup.rs, directory.rs, tags.rs, types.rs
//! ├── github/        a source: the same files, and links.rs, dependencies.rs, fields.rs, change.rs, labels.rs, milestones.rs, types.rs, app.rs: a GitHub App and its tokens, manifest.rs: a new GitHub App
//! ├── slack/         a surface
//! │   ├── socket.rs · socket/queue.rs · socket/reopening.rs · proxy.rs         Socket Mode: envelope → stored → acknowledged
//! │   ├── filter.rs · gestures.rs · attached.rs · files.rs · thread.rs · forms.rs · modals.rs · dispatch.rs    which events are commands; threads; forms; the mailbox's input
//! │   ├── catch_up.rs · compare.rs · restored.rs                               messages found in the history
//! │   ├── post.rs · pictures.rs, chart.rs: bars as PNG · ephemeral.rs · react.rs · home.rs · schedule.rs · degraded.rs  messages, reactions and Home tabs sent
//! │   └── wire.rs · text.rs · blocks.rs · cards.rs · web.rs · exchange.rs · membership.rs · scopes.rs · checkup.rs · directory.rs    JSON, escapes, Block Kit, the Web API and its HTTP, members, scopes, checks, lists of members
//! ├── http/          a surface: the API and the webhook listener
//! │   ├── routes.rs · describe.rs · openapi.rs · schemas.rs · examples.rs      routes, their description, tried examples
//! │   ├── serving.rs · connections.rs                                          a listener, and its open connections
//! │   ├── tokens.rs · logins.rs                                                the API's tokens and their rights, logins
//! │   ├── pages/: the status page: sessions.rs: links and sessions · handoff.rs: a page of `ivan init` · status.rs, charts.rs, docs.rs, table.rs, html.rs: HTML from facts
//! │   ├── request.rs · queries.rs · reads.rs · writes.rs · daemon.rs · reload.rs           requests and handlers
//! │   ├── answers/tasks.rs · answers/people.rs · answers/stats.rs · answers/health.rs · answers/logins.rs · problem.rs    answers
//! │   ├── standby.rs: probes of a daemon that waits to lead
//! │   └── hooks.rs: webhooks · metrics.rs, recorder.rs: GET /metrics
//! ├── setup/         the decisions of `ivan init`: choice.rs: numbered lists · people.rs: accounts by e-mail · bot_toml.rs: changes of the file · hosts.rs: tokens of logins
//! ├── cli/           help.rs: groups and examples of `--help` · complete.rs: completions · man.rs: manual pages · client.rs: the client of the API ·
//! │   │              print.rs: answers in words · json.rs, jq.rs: `--json` and `--jq` · look.rs: colours and links · browse.rs: `ivan open` · webhooks.rs, token.rs, manifest.rs, doctor.rs, export.rs: commands
//! │   └── init.rs: `ivan init` · login.rs: `ivan login`, `logout` · prompt.rs: questions at a terminal
//! ├── doctor.rs      `ivan doctor`; doctor/configuration.rs, doctor/database.rs, doctor/webhooks.rs, doctor/people.rs: chapters · doctor/mending.rs: `--fix`
//! ├── demo.rs        `ivan demo`; demo/blocks.rs, complete.rs, forms.rs, terminal.rs, wrap.rs · demo/world.rs: people, colleagues' changes ·
//! │                  demo/web.rs: `ivan demo --web` · demo/daemon.rs: its daemon, a process · demo/page/: HTML, CSS and the script
//! └── sandbox/       Slack, ClickUp and GitHub on loopback (feature `demo`)
//!     ├── fault_server.rs: faults · webhook_sender.rs: webhooks · wire.rs · control.rs: `ivan sandbox` and its control API
//!     ├── clickup/api.rs · clickup/refusal.rs · clickup/world.rs · github/api.rs · github/app.rs · github/app_pages.rs: a new App · github/world.rs
//!     └── slack/web.rs · slack/socket.rs · slack/interact.rs · slack/pages.rs · slack/people.rs · slack/files.rs · slack/blocks.rs · slack/text.rs ·
//!         slack/ids.rs · slack/wire.rs · slack/world.rs
//! ```
//!
//! # Allowed dependencies
//!
//! The domain is in the middle, sources and surfaces do not use each other, and [`app`] connects them. HTTP calls
//! [`commands`]; Slack calls the [`mailbox`], which runs commands inside its transaction. The [`outbox`] uses sources only
//! as `dyn SourceWriter`, [`reconcile`] as `dyn SourceReader`; the [`sandbox`] uses nothing else of the crate.
//! `tests/it/architecture.rs` checks this. `docs/architecture.md` has the table, the reasons, and the way of a command
//! through the modules.

pub mod app;
pub mod cards;
pub mod cli;
pub mod clickup;
pub mod clock;
pub mod command_tx;
pub mod commands;
pub mod completion;
pub mod config;
#[cfg(feature = "demo")]
pub mod demo;
pub mod doctor;
pub mod domain;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod github;
pub mod http;
mod http_client;
pub mod inbox;
pub mod ingest;
mod lenient;
pub mod limits;
pub mod linking;
pub mod mailbox;
#[cfg(test)]
mod messages;
pub mod notices;
pub mod outbox;
pub mod reconcile;
pub mod recovery;
mod runtime;
#[cfg(feature = "demo")]
pub mod sandbox;
#[cfg(test)]
mod scan_cost;
pub mod set_aside;
pub mod setup;
pub mod slack;
pub mod standby;
pub mod store;
pub mod telemetry;
mod tls;
#[cfg(feature = "otel")]
pub mod traces;
pub mod verbs;
