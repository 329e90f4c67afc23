//! Ivan: a Slack bot that carries out `done`, `comment` and `create` in ClickUp and GitHub.
//!
//! # The map of the house
//!
//! ```text
//! src/
//! ├── main.rs        parses the command line, starts logging, turns an error into words and an exit status
//! ├── lib.rs         this map, and the list of modules
//! ├── app.rs         wiring: Config → App → run until told to stop
//! ├── demo.rs        `ivan demo`: the same App against the sandbox, the terminal as a DM
//! │   └── demo/forms.rs: forms · blocks.rs: blocks as text · terminal.rs: the prompt, pasted lines, Ctrl-C
//! ├── runtime.rs     shutdown token, supervisor of named tasks, back-off, rate limiter, lock: one of each
//! ├── bounds.rs      everything that has a bound, by name: counted and said where it is reached
//! ├── clock.rs       the app's clock, which tests can move
//! ├── config/        bot.toml, environment and *_file → Config; every mistake at once; Secret, which does not print
//! │   ├── layers.rs      what was given, and where
//! │   ├── reader.rs      keys → values, and every mistake
//! │   ├── remarks.rs     values that are still the example's; files with secrets that others can read
//! │   └── secret.rs      a token that does not print
//! ├── cli/           the clap types
//! │   ├── client.rs      the client of our own HTTP API
//! │   └── print.rs       its answers in words, and the exit status
//! ├── domain/        values and decisions. No IO, no clock, nothing of Slack, HTTP or SQL
//! │   ├── task.rs        Source, TaskKey (stored), TaskId (typed and shown), RepoName, Task, Status, Link
//! │   ├── ids.rs         TaskRow, CommandId, …: ids of rows in the store, a type for each table
//! │   ├── person.rs      Person, Member; who may act, and whose a task is
//! │   ├── link.rs        Link, Accounts: which account at a source is whose
//! │   ├── entity.rs      Entities: the clients that tasks are for, by all their names
//! │   ├── prose.rs       a person's text as it is written to a source: signed
//! │   ├── command.rs     Ref, CommandRef, Assignee, TaskDraft: the things that a command names
//! │   ├── card.rs        Card, Button, Press: a task as people see it, and what can be done about it
//! │   ├── controls.rs    control characters, which no text has
//! │   ├── home.rs        what a Home tab shows, from top to bottom
//! │   ├── log.rs         who did what, from where, what came of it and what it changed
//! │   ├── markdown.rs    text of Slack's as Markdown that GitHub shows alike
//! │   ├── morning.rs     the briefing: what to know before one begins
//! │   ├── rhythm.rs      when a briefing is due, and when it is quiet
//! │   ├── scope.rs       what does not work in Slack for want of a scope
//! │   ├── set_aside.rs   Work: what a start begins again; the words about what ended the process twice
//! │   ├── sign.rs        the reactions that show an outcome
//! │   ├── receipts.rs    whether outcomes are told by messages or by reactions
//! │   ├── blocking.rs    which task has to be finished before which, and who waits for it
//! │   ├── change.rs      what assign, due and prio make different in a task, and its opposite
//! │   ├── mention.rs     mentions in a text: ids, and names where they are nobody here
//! │   ├── filter.rs      what a list is narrowed to
//! │   ├── score.rs       points with their reasons; the order of a queue
//! │   ├── queue.rs       the pin: which task was meant, where `next` goes
//! │   ├── form.rs        Filled, Origin: what is filled in instead of typed, and what is wrong with it
//! │   ├── event.rs       SourceEvent, Act; what people are told of a difference
//! │   ├── undo.rs        what is to be taken back, and whether it is as we left it
//! │   ├── when.rs        a time as people type it → an instant in their zone, or a day
//! │   ├── operation.rs   Write, Operation, Outcome, WriteError
//! │   ├── profile.rs     Source, and its Profile: name, nouns, form of ids, abilities
//! │   ├── source.rs      traits of a source: SourceWriter, SourceReader, HookReader, HookKeeper
//! │   ├── writes.rs      Writes: one method for each kind of write, and the choice among them
//! │   ├── carry_out.rs   the one decision about sending a write, and about taking one back
//! │   └── reply.rs       Words, Report: all that people read
//! ├── command_tx/    CommandTx: what verbs read and write in their transaction
//! │   ├── stop.rs        Rejection, Stop, CommandError: why a command goes no further
//! │   ├── settings.rs    what commands know of bot.toml; health.rs: how the connections are, as far as only memory knows it
//! ├── verbs/         one file a verb: its arguments, its grammar, its decision, its words
//! │   ├── mod.rs         the table of verbs, Command, parse(text)
//! │   ├── done.rs · comment.rs · create.rs · current.rs · next.rs · start.rs · snooze.rs · reopen.rs · assign.rs · claim.rs ·
//! │   │                  due.rs · prio.rs · undo.rs · why.rs · list.rs · morning.rs · briefing.rs · quiet.rs · receipts.rs · log.rs ·
//! │   │                  status.rs · whoami.rs · link.rs · unlink.rs · mute.rs · unmute.rs · help.rs
//! │   ├── grammar.rs     words, quotes, options, REFs; ParseError, which is the hint
//! │   ├── body.rs        fields of a JSON body that several verbs have; schema.rs: how values look in the API's description
//! │   ├── texts.rs       a person's text as it is written to a source: addressed, signed
//! │   ├── schedule.rs    the change of a briefing or of quiet hours
//! │   └── gestures.rs    what buttons, forms and reactions ask for
//! ├── commands/      runs a verb: a Command from a Person → an answer now, or a durable Operation
//! │   ├── mod.rs         what surfaces may ask
//! │   ├── run.rs         a command, run: its bounds, and once for each Idempotency-Key
//! │   ├── transaction.rs a transaction that a rejection commits and a database error rolls back
//! │   ├── log.rs         `GET /log`, page by page
//! │   ├── morning.rs     `GET /morning`
//! │   ├── rhythm.rs      the times and the receipts that somebody chose
//! │   ├── identity.rs    accounts as the sources tell them; the link that an e-mail address makes
//! │   ├── set_aside.rs   retry: work that is set aside is begun again
//! │   └── why.rs         `GET /why`
//! ├── mailbox/       messages in and out, beside a command: each in one transaction
//! │   ├── mod.rs         Mailbox; MailTx: one transaction of it
//! │   ├── incoming.rs    Inbound: messages kept, waiting, acted on once; catching up with the history
//! │   ├── gestures.rs    reactions, buttons and replies, with the facts that only the store has
//! │   ├── meaning.rs     a message → the command that it means
//! │   ├── answer.rs      a command's reply → a message or a reaction, in the right place
//! │   ├── outgoing.rs    Outbound: messages owed; Fate: the outcome of a post, recorded in one place
//! │   ├── reactions.rs   our reactions, and their outcomes
//! │   ├── home.rs        the content of Home tabs
//! │   ├── forms.rs       the content of forms, and their mistakes
//! │   ├── schedule.rs    briefings that are due, and notices held by quiet hours; each claimed with its message
//! │   ├── shown.rs       posts in Slack that this store does not have
//! │   ├── status.rs      the connection to Slack, for `status`; another daemon with the same Slack app
//! │   ├── strangers.rs   members who may not command: logged, and told to operators
//! │   ├── attempts.rs    attempts at this work, counted
//! │   └── progress.rs    whether more output is to come
//! ├── notices.rs     what was done to a task → notices to those whom it concerns
//! ├── settle.rs      a command's operations → its report, its message and the pin
//! ├── set_aside.rs   an unclean end is counted; work that was under way at two is set aside and told
//! ├── outbox.rs      carries operations out: a lane per person and task, waking, repeating, giving up
//! ├── inbox.rs       webhook deliveries → source events → apply
//! ├── reconcile.rs   polls: what changed, or everything → the same apply
//! │   ├── comments.rs    what was written, where no webhook said so
//! │   └── failing.rs     when a poll that fails is logged
//! ├── cards.rs       cards that stand in Slack, made again when their task changes
//! ├── apply.rs       what a source says about a task → the mirror, and notices
//! ├── gaps.rs        failed deliveries, suspended webhooks, and operators told of lasting trouble
//! ├── store/         SQLite and all SQL
//! │   ├── pool.rs        one writer that commits together, readers that never block it
//! │   ├── migrate.rs     numbered migrations; prune.rs forgets what is done with
//! │   ├── private.rs     who may read its files, and whether they are on a network
//! │   ├── columns.rs     times, JSON and ids as they stand in a column
//! │   └── tasks.rs · blocking.rs · comments.rs · people.rs · links.rs · rhythms.rs · log.rs · slack_events.rs · forms.rs · operations.rs ·
//! │                      messages.rs · reactions.rs · homes.rs · deliveries.rs · pauses.rs · restored.rs ·
//! │                      set_aside.rs · tombstones.rs: the tables; idle.rs: whether anything in them is still to be done or said
//! ├── lenient.rs     JSON that others wrote, read leniently and in little memory
//! ├── rest.rs        one HTTP exchange with a source, and what was learned of limits, token and clock
//! │   ├── request.rs     a request and the words for its thing
//! │   ├── verdict.rs     the meanings of an answer that sources share
//! │   └── webhook.rs     webhook requests: signature, names, JSON
//! ├── clickup/       a source
//! │   ├── wire.rs        what its answers look like → our types
//! │   ├── client.rs      requests, and what their answers mean
//! │   ├── writer.rs      SourceWriter: operations → requests; the search for a lost one
//! │   ├── undo.rs        starting, reopening, and taking back
//! │   ├── hook.rs        HookReader: webhook requests → deliveries → source events; HookKeeper: webhooks themselves
//! │   ├── poll.rs        SourceReader: listings → tasks
//! │   ├── due.rs         which due dates are days
//! │   └── accounts.rs    Accounts: whose account is whose
//! ├── github/        a source: the same files; links.rs, dependencies.rs: what an issue waits for; fields.rs: issue fields;
//! │                  change.rs: assignees, priority
//! ├── slack/         a surface
//! │   ├── socket.rs      our supervised Socket Mode loop: envelope → kept → acknowledged; socket/queue.rs: what waits for that;
//! │   │                 socket/reopening.rs: when the next link is opened
//! │   ├── gate.rs        whether an event is a new message of a person that is meant for us
//! │   ├── attached.rs    what a message holds besides its text: forwarded messages, alerts, files
//! │   ├── forms.rs       what slash commands, shortcuts and forms ask for; forms that come back, checked
//! │   ├── views.rs       a trigger → an open form
//! │   ├── gestures.rs    reactions and the Home tab, heard
//! │   ├── listen.rs      kept messages → the mailbox, in each person's order
//! │   ├── standing.rs    who somebody is, read from `users.info`
//! │   ├── catch_up.rs    what was said and never arrived, read from the DMs' history; compare.rs: which DM is read when
//! │   ├── trouble.rs     what is said while the store takes nothing
//! │   ├── post.rs        outgoing messages → Slack, each once
//! │   ├── ephemeral.rs   answers for one person, by a `response_url` that works for half an hour
//! │   ├── restored.rs    reads what stands in a DM, before what is typed there is taken for what the store showed
//! │   ├── react.rs       our reactions on people's messages
//! │   ├── rhythm.rs      waits for the times at which people are told what they have not just asked for
//! │   ├── way.rs         connections to Slack: addresses raced, through the proxy of the environment
//! │   ├── scopes.rs      which scopes the app has
//! │   ├── home.rs        Home tabs, published when they look otherwise
//! │   └── wire.rs · text.rs · blocks.rs · cards.rs · web.rs    JSON, escapes, rendering, the Web API
//! ├── http/          a surface: mod.rs serves and guards
//! │   ├── routes.rs      the table of routes, each with its description (describe.rs); openapi.rs: the document made of it
//! │   ├── request.rs     what arrives: actor, task of the path, body, key; queries.rs: what is asked of what reads
//! │   ├── reads.rs · writes.rs · daemon.rs   the handlers
//! │   ├── answers/       what is answered, a struct each: mod.rs writes, tasks.rs, people.rs, health.rs
//! │   ├── schemas.rs     how words of the domain look in the description
//! │   └── problem.rs (RFC 9457) · hooks.rs (webhooks) · metrics.rs
//! └── sandbox/       Slack, ClickUp and GitHub on loopback, their faults (front.rs) and webhooks (courier.rs);
//!                    control.rs: `ivan sandbox` and its control API. With demo.rs it is the cargo feature `demo`
//! ```
//!
//! # Allowed dependencies
//!
//! The domain is in the middle, sources and surfaces do not use each other, and [`app`] connects them. HTTP calls
//! [`commands`]; Slack calls the [`mailbox`], which runs commands inside its transaction. The [`outbox`] uses sources only
//! as `dyn SourceWriter`, [`reconcile`] as `dyn SourceReader`; the [`sandbox`] uses nothing else of the crate.
//! `tests/it/architecture.rs` checks this. `docs/architecture.md` has the table, the reasons, and the way of a command
//! through the modules.
//!
//! # The modules
//!
//! - [`app`]: wiring, from the configuration to a daemon that runs until it is told to stop
//! - [`apply`]: a source's report about a task → the mirror, and notices
//! - [`bounds`]: every limit, by name
//! - [`cli`]: the command line, and the client of our own HTTP API
//! - [`clickup`]: ClickUp, a source
//! - [`clock`]: the app's clock, which tests can shift
//! - [`command_tx`]: the transaction of a command, and the reasons to stop it
//! - [`commands`]: runs a verb for a person
//! - [`config`]: `bot.toml`, the environment and secret files
//! - [`demo`]: the daemon against the sandbox, with the terminal as a DM
//! - [`domain`]: values and decisions that all other modules use
//! - [`gaps`]: recovery of deliveries that webhooks missed
//! - [`github`]: GitHub, a source
//! - [`http`]: the HTTP API and the webhook listener, surfaces
//! - [`inbox`]: webhook deliveries, stored and processed
//! - `lenient`: JSON from outside, read leniently and in little memory
//! - [`mailbox`]: messages in and out
//! - [`notices`]: notices to people about changes of tasks
//! - [`outbox`]: carries operations out
//! - [`reconcile`]: polls the sources
//! - `rest`: one exchange with a source over HTTP
//! - `runtime`: shutdown token, supervisor, back-off, rate limiter, lock
//! - [`sandbox`]: Slack, ClickUp and GitHub on loopback
//! - [`set_aside`]: work that ended the process twice
//! - [`settle`]: the outcome of a command: its report, its message and the pin
//! - [`slack`]: Slack, a surface
//! - [`store`]: SQLite, and all SQL
//! - [`verbs`]: one file a verb: its arguments, its grammar, its decision, its words

pub mod app;
pub mod apply;
pub mod bounds;
pub mod cards;
pub mod cli;
pub mod clickup;
pub mod clock;
pub mod command_tx;
pub mod commands;
pub mod config;
#[cfg(feature = "demo")]
pub mod demo;
pub mod domain;
pub mod gaps;
pub mod github;
pub mod http;
pub mod inbox;
mod lenient;
pub mod mailbox;
pub mod notices;
pub mod outbox;
pub mod reconcile;
mod rest;
mod runtime;
#[cfg(feature = "demo")]
pub mod sandbox;
pub mod set_aside;
pub mod settle;
pub mod slack;
pub mod store;
pub mod verbs;
