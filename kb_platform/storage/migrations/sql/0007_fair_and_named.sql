-- Cases that cannot be handed over keep back no other; refusals say which rule they are of, for code that tells them apart; and a
-- waiver is asked for while the verdict stands still.

alter table review_case add column tried_at timestamptz;
comment on column review_case.tried_at is 'when its hand-over last began: who has waited longest is next';
grant update (tried_at) on review_case to {prefix}_writer;

create or replace function gate_guard() returns trigger
language plpgsql security definer set search_path = {schema}, pg_temp as $$
declare r release;
begin
  select * into r from release x where x.release_id = coalesce(old.release_id, new.release_id) for update;
  if r.status is distinct from 'sealed' then
    raise exception 'release % is %: verdicts are written while it is sealed and undecided', r.release_id, r.status
      using errcode = 'check_violation', constraint = 'a_verdict_is_of_what_is_sealed';
  end if;
  if tg_op = 'UPDATE' and (new.release_id, new.gate, new.content_digest) is distinct from (old.release_id, old.gate, old.content_digest) then
    raise exception 'release %: a verdict stays with its gate and its content', r.release_id using errcode = 'check_violation', constraint = 'a_verdict_is_of_what_is_sealed';
  end if;
  if tg_op <> 'DELETE' and new.content_digest is distinct from r.content_digest then
    raise exception 'release %: the verdict is about other content than what is sealed', r.release_id using errcode = 'check_violation', constraint = 'a_verdict_is_of_what_is_sealed';
  end if;
  return coalesce(new, old);
end $$;

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
      coalesce(array_to_string(missing, ', '), 'none is required')
      using errcode = 'check_violation', constraint = 'all_required_gates_passed';
  end if;
  new.promotable := true;
  new.promoted_at := clock_timestamp();
  new.promoted_by := session_user;
  return new;
end $$;

-- Whoever asks holds the release before the case, as whoever judges it does.
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
  if new.kind = 'waiver' and new.state = 'open' then
    perform 1 from release r where r.release_id = new.release_id for share;  -- so that it is neither judged nor promoted meanwhile
  end if;
  if new.kind = 'waiver' and new.state = 'open' and not exists (
       select 1 from release r join gate_result g using (release_id, content_digest)
       where r.release_id = new.release_id and r.status = 'sealed' and g.gate = new.subject and g.gate = any (r.required_gates)
         and g.verdict = 'regression' and not is_integrity_gate(g.gate)
         and new.digest = verdict_digest(r.content_digest, g.golden_hash)) then
    raise exception 'a waiver is for a required gate of the sealed candidate that says regression, and never for integrity gates'
      using errcode = 'check_violation', constraint = 'a_waiver_is_of_a_regression';
  end if;
  return new;
end $$;
