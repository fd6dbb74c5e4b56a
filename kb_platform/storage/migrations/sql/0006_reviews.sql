-- Reviews by people: which were started (the ledger), how they ended, and what their decisions let pass. A decision counts only for
-- the opening of the case that it was asked about, and only for exactly the content and the verdict that the reviewer had before him.

------------------------------------------------------------------------------------------------------------------ cases

alter table review_case
  drop constraint review_case_kind_check,
  add constraint review_case_kind_check
    check (kind in ('inconclusive_verdict', 'churn_over_limit', 'stale_golden', 'quarantined_document', 'waiver')),
  drop constraint review_case_state_check,
  add constraint review_case_state_check check (state in ('open', 'superseded', 'withdrawn', 'decided', 'expired', 'cancelled')),
  add column asked_by text,
  add column request text,
  add constraint a_waiver_is_asked_for
    check ((kind = 'waiver') = (asked_by is not null) and (kind = 'waiver') = (request is not null) and btrim(asked_by) <> ''
           and btrim(request) <> '');
comment on column review_case.state is 'superseded: the same subject with another digest has come; expired, cancelled: its review ended '
  'without a decision, and it waits to be asked again';
comment on column review_case.asked_by is 'who asked for a waiver: somebody else must approve it; `request` is why';
drop index review_case_to_tell;
alter table review_case drop column told_state;  -- the ledger says what was told, opening by opening
create index review_case_open on review_case (case_id) where state = 'open';

-- One row an opening of a case, written before its review is started: whoever was killed in between starts the same review again.
create table review_ledger (
  review_id     text primary key,
  case_id       bigint not null references review_case,
  opened_at     timestamptz not null,
  registered_at timestamptz not null default clock_timestamp(),
  started_at    timestamptz,
  withdrawn_at  timestamptz,
  unique (case_id, opened_at)
);
comment on column review_ledger.review_id is 'the workflow''s id; opened_at is changed_at of the open case';
comment on column review_ledger.withdrawn_at is 'when the review was told that no decision is needed any more';

-- How each review ended, and what that changed here: one row a review, so that no decision has its effect twice.
create table review_outcome (
  review_id       text primary key references review_ledger,
  run_id          text not null,
  digest          bytea not null,
  status          text not null check (status in
    ('approved', 'rejected', 'changes_requested', 'expired_unreviewed', 'withdrawn', 'cancelled')),
  reviewer_issuer text,
  reviewer_id     text,
  reviewer_name   text,
  reason          text not null default '',
  decided_at      timestamptz,
  ended_at        timestamptz not null,
  effect          text not null check (effect in ('accepted', 'refused', 'blocked', 'document_kept', 'document_dropped', 'source_to_repair',
                    'golden_change_proposed', 'golden_kept', 'asked_again_later', 'none')),
  note            text not null default '',
  applied_at      timestamptz not null default clock_timestamp(),
  check ((status in ('approved', 'rejected', 'changes_requested')) = (reviewer_id is not null))
);

-- A verdict that a reviewer accepted counts as passed: for this gate, this content, these goldens, and the verdict that he saw.
create table acceptance (
  review_id      text primary key references review_outcome,
  release_id     int not null references release,
  gate           text not null,
  content_digest bytea not null,
  golden_hash    text,
  verdict        text not null check (verdict in ('inconclusive', 'regression')),
  at             timestamptz not null default clock_timestamp(),
  unique (release_id, gate, content_digest, review_id)
);

------------------------------------------------------------------------------------------------------------------ guards

create function is_integrity_gate(p_gate text) returns bool
language sql immutable set search_path = {schema}, pg_temp as $$
  select p_gate = any ('{coverage,index_recall,embedding_health,phi,digest}')
$$;

-- What a decision about a verdict is bound to: the content, and the goldens where some took part.
create function verdict_digest(p_content bytea, p_golden_hash text) returns bytea
language sql immutable set search_path = {schema}, pg_temp as $$
  select case when p_golden_hash is null or p_golden_hash = '' then p_content else sha256(p_content || decode(p_golden_hash, 'hex')) end
$$;

create or replace function case_guard() returns trigger
language plpgsql security definer set search_path = {schema}, pg_temp as $$
begin
  if tg_op = 'INSERT' then
    if new.state <> 'open' then
      raise exception 'a review case begins open' using errcode = 'check_violation';
    end if;
  else
    if (new.case_id, new.kind, new.subject, new.digest, new.created_at)
       is distinct from (old.case_id, old.kind, old.subject, old.digest, old.created_at)
       or new.state = old.state and (new.facts, new.release_id, new.asked_by, new.request, new.changed_at)
          is distinct from (old.facts, old.release_id, old.asked_by, old.request, old.changed_at) then
      raise exception 'review case %: what it is about never changes', old.case_id using errcode = 'check_violation';
    end if;
    if new.state = old.state then
      return new;
    end if;
    if old.state = 'decided' or old.state in ('superseded', 'withdrawn') and new.state <> 'open' then
      raise exception 'review case % is %, which cannot become %', old.case_id, old.state, new.state using errcode = 'check_violation';
    end if;
    if new.state in ('decided', 'expired', 'cancelled') and not exists (
         select 1 from review_outcome o join review_ledger l using (review_id)
         where l.case_id = old.case_id and l.opened_at = old.changed_at) then
      raise exception 'review case %: no review of it has ended', old.case_id using errcode = 'check_violation';
    end if;
    new.changed_at := clock_timestamp();
  end if;
  if new.kind = 'waiver' and new.state = 'open' and not exists (
       select 1 from release r join gate_result g using (release_id, content_digest)
       where r.release_id = new.release_id and r.status = 'sealed' and g.gate = new.subject and g.gate = any (r.required_gates)
         and g.verdict = 'regression' and not is_integrity_gate(g.gate)
         and new.digest = verdict_digest(r.content_digest, g.golden_hash)) then
    raise exception 'a waiver is for a required gate of the sealed candidate that says regression, and never for integrity gates'
      using errcode = 'check_violation';
  end if;
  return new;
end $$;

create or replace function withdraw_cases() returns trigger
language plpgsql security definer set search_path = {schema}, pg_temp as $$
begin
  update review_case set state = 'withdrawn'
  where release_id = new.release_id and state in ('open', 'expired', 'cancelled')
    and kind in ('inconclusive_verdict', 'churn_over_limit', 'waiver');
  return null;
end $$;

create function ledger_guard() returns trigger
language plpgsql security definer set search_path = {schema}, pg_temp as $$
begin
  if tg_op = 'INSERT' then
    perform 1 from review_case c where c.case_id = new.case_id and c.state = 'open' and c.changed_at = new.opened_at for share;
    if not found or new.started_at is not null or new.withdrawn_at is not null then
      raise exception 'a review is registered for the present opening of an open case, before it is started' using errcode = 'check_violation';
    end if;
  elsif (new.review_id, new.case_id, new.opened_at, new.registered_at) is distinct from
        (old.review_id, old.case_id, old.opened_at, old.registered_at)
        or old.started_at is not null and new.started_at is distinct from old.started_at
        or old.withdrawn_at is not null and new.withdrawn_at is distinct from old.withdrawn_at then
    raise exception 'review %: what was told stays told', old.review_id using errcode = 'check_violation';
  end if;
  return new;
end $$;
create trigger ledger_guard before insert or update on review_ledger for each row execute function ledger_guard();

create function outcome_guard() returns trigger
language plpgsql security definer set search_path = {schema}, pg_temp as $$
declare known review_case;
begin
  select c.* into known from review_case c join review_ledger l using (case_id) where l.review_id = new.review_id;
  if known.digest is distinct from new.digest then
    raise exception 'review %: its decision is about other content than its case', new.review_id using errcode = 'check_violation';
  end if;
  return new;
end $$;
create trigger outcome_guard before insert on review_outcome for each row execute function outcome_guard();

-- Nothing of an acceptance is a client's word but the review that it comes from.
create function acceptance_guard() returns trigger
language plpgsql security definer set search_path = {schema}, pg_temp as $$
declare
  o review_outcome;
  l review_ledger;
  k review_case;
  r release;
  g gate_result;
  wrong text;
begin
  select * into o from review_outcome x where x.review_id = new.review_id;
  select * into l from review_ledger x where x.review_id = new.review_id;
  select * into r from release x where x.release_id = (select c.release_id from review_case c where c.case_id = l.case_id) for update;
  select * into k from review_case x where x.case_id = l.case_id for update;  -- after the release, as whoever judges it does
  select * into g from gate_result x where x.release_id = r.release_id and x.gate = k.subject and x.content_digest = r.content_digest;
  wrong := case
    when o.review_id is null or o.status <> 'approved' or o.effect <> 'accepted' then 'no reviewer has approved it'
    when k.kind not in ('inconclusive_verdict', 'churn_over_limit', 'waiver') then 'its review is not about a verdict'
    when k.state <> 'open' or k.changed_at <> l.opened_at then 'the case is ' || k.state || ', or was opened again since'
    when is_integrity_gate(k.subject) then 'an integrity gate is never accepted'
    when r.release_id is null or r.status <> 'sealed' then 'there is no sealed candidate that it is about'
    when g.gate is null or g.passed then 'the gate says ' || coalesce(g.verdict, 'nothing') || ' now'
    when g.verdict <> case k.kind when 'waiver' then 'regression' else 'inconclusive' end then 'the gate says ' || g.verdict || ' now'
    when k.digest is distinct from verdict_digest(r.content_digest, g.golden_hash) then 'content or goldens have changed since'
    when k.kind = 'waiver' and lower(btrim(o.reviewer_id)) = lower(btrim(k.asked_by)) then 'who asked for a waiver cannot approve it'
  end;
  if wrong is not null then
    raise exception 'review % accepts nothing: %', new.review_id, wrong using errcode = 'check_violation';
  end if;
  new.release_id := r.release_id;
  new.gate := g.gate;
  new.content_digest := g.content_digest;
  new.golden_hash := g.golden_hash;
  new.verdict := g.verdict;
  new.at := clock_timestamp();
  return new;
end $$;
create trigger acceptance_guard before insert on acceptance for each row execute function acceptance_guard();
create trigger gate_count after insert on acceptance for each row execute function gate_count();

create function gate_is_passed(p_release int, p_digest bytea, p_gate text) returns bool
language sql stable security definer set search_path = {schema}, pg_temp as $$
  select exists (
    select 1 from gate_result g where g.release_id = p_release and g.gate = p_gate and g.content_digest = p_digest
      and (g.passed or exists (
        select 1 from acceptance a where a.release_id = g.release_id and a.gate = g.gate and a.content_digest = g.content_digest
          and a.golden_hash is not distinct from g.golden_hash and a.verdict = g.verdict)))
$$;

create or replace function gates_passed(r release) returns int
language sql stable security definer set search_path = {schema}, pg_temp as $$
  select count(*)::int from unnest(r.required_gates) q where gate_is_passed(r.release_id, r.content_digest, q)
$$;

create or replace function promote_guard() returns trigger
language plpgsql security definer set search_path = {schema}, pg_temp as $$
declare
  r release;
  missing text[];
begin
  if tg_op = 'DELETE' then
    raise exception 'the active pointer cannot be deleted' using errcode = 'check_violation';
  end if;
  select * into r from release x where x.release_id = new.release_id for update;
  if not found then
    raise exception 'release % does not exist', new.release_id using errcode = 'check_violation';
  end if;
  if r.status not in ('sealed', 'promoted', 'retired') then
    raise exception 'release % cannot be promoted: it is %', r.release_id, r.status using errcode = 'check_violation';
  end if;
  if r.release_id < (select h.release_id from gc_horizon h for share) then
    raise exception 'release % cannot be promoted: its rows were collected', r.release_id using errcode = 'check_violation';
  end if;
  select array_agg(q) into missing from unnest(r.required_gates) q where not gate_is_passed(r.release_id, r.content_digest, q);
  if missing is not null or cardinality(r.required_gates) = 0 then
    raise exception 'release % cannot be promoted: gates not passed: %', r.release_id,
      coalesce(array_to_string(missing, ', '), 'none is required') using errcode = 'check_violation';
  end if;
  new.promotable := true;
  new.promoted_at := clock_timestamp();
  new.promoted_by := session_user;
  return new;
end $$;

create trigger immutable before update or delete on review_outcome for each statement execute function refuse();
create trigger immutable before update or delete on acceptance for each statement execute function refuse();
create trigger no_delete before delete on review_ledger for each statement execute function refuse();
do $$
declare t text;
begin
  foreach t in array array['review_ledger', 'review_outcome', 'acceptance'] loop
    execute format('create trigger no_truncate before truncate on %I for each statement execute function refuse()', t);
  end loop;
  for t in select format('alter table %I enable always trigger %I', c.relname, g.tgname)
           from pg_trigger g join pg_class c on c.oid = g.tgrelid
           where c.relnamespace = '{schema}'::regnamespace and not g.tgisinternal and g.tgenabled = 'O' loop
    execute t;
  end loop;
end $$;

------------------------------------------------------------------------------------------------------------------ roles

-- The decider writes down how reviews ended and what that lets pass; it judges nothing and promotes nothing.
revoke execute on function is_integrity_gate(text), verdict_digest(bytea, text), ledger_guard(), outcome_guard(), acceptance_guard(),
  gate_is_passed(int, bytea, text) from public;
grant usage on schema {schema} to {prefix}_decider;
grant select on review_case, review_ledger, review_outcome, acceptance, release, gate_result, active to {prefix}_decider;
grant insert on review_outcome to {prefix}_decider;
grant insert (review_id) on acceptance to {prefix}_decider;
grant update (state) on review_case to {prefix}_decider;
create policy decider on release for select to {prefix}_decider using (true);

grant select on review_ledger, review_outcome, acceptance to {prefix}_writer, {prefix}_gate, {prefix}_promoter;
grant insert (review_id, case_id, opened_at), update (started_at, withdrawn_at) on review_ledger to {prefix}_writer;
grant insert (asked_by, request), update (asked_by, request) on review_case to {prefix}_gate;
