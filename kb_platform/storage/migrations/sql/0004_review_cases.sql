-- Cases for a person, written in the transaction that found them: the outbox that the review service empties.
-- A row says what it is about by ids, digests and numbers; never by content.

create table review_case (
  case_id     bigint generated always as identity primary key,
  kind        text not null check (kind in ('inconclusive_verdict', 'churn_over_limit', 'stale_golden', 'quarantined_document')),
  subject     text not null,
  digest      bytea not null,
  release_id  int references release,
  facts       jsonb not null default '{}',
  state       text not null default 'open' check (state in ('open', 'superseded', 'withdrawn', 'decided')),
  told_state  text check (told_state in ('open', 'superseded', 'withdrawn', 'decided')),
  created_at  timestamptz not null default now(),
  changed_at  timestamptz not null default now(),
  unique (kind, subject, digest)
);
comment on column review_case.digest is 'of exactly what a decision would be about: another digest is another case';
comment on column review_case.state is 'what the platform says; superseded: the same subject with another digest has come';
comment on column review_case.told_state is 'what the review service was last told; null: nothing yet';
-- What the review service has still to be told; a case that ended before it was told of is never told.
create index review_case_to_tell on review_case (case_id)
  where told_state is distinct from state and (told_state is not null or state = 'open');

create function case_guard() returns trigger
language plpgsql security definer set search_path = {schema}, pg_temp as $$
begin
  if tg_op = 'INSERT' then
    if new.state <> 'open' or new.told_state is not null then
      raise exception 'a review case begins open and untold' using errcode = 'check_violation';
    end if;
    return new;
  end if;
  if (new.case_id, new.kind, new.subject, new.digest, new.created_at)
     is distinct from (old.case_id, old.kind, old.subject, old.digest, old.created_at)
     or new.state = old.state and (new.facts, new.release_id) is distinct from (old.facts, old.release_id) then
    raise exception 'review case %: what it is about never changes', old.case_id using errcode = 'check_violation';
  end if;
  if new.state <> old.state then
    if old.state = 'decided' or old.state <> 'open' and new.state <> 'open' then
      raise exception 'review case % is %, which cannot become %', old.case_id, old.state, new.state using errcode = 'check_violation';
    end if;
    new.changed_at := now();
  end if;
  return new;
end $$;
create trigger case_guard before insert or update on review_case for each row execute function case_guard();
create trigger no_delete before delete on review_case for each row execute function refuse();
create trigger no_truncate before truncate on review_case for each statement execute function refuse();
alter table review_case enable always trigger case_guard;
alter table review_case enable always trigger no_delete;
alter table review_case enable always trigger no_truncate;

-- An undone seal and a discarded release leave no verdict to review.
create function withdraw_cases() returns trigger
language plpgsql security definer set search_path = {schema}, pg_temp as $$
begin
  update review_case set state = 'withdrawn'
  where release_id = new.release_id and state = 'open' and kind in ('inconclusive_verdict', 'churn_over_limit');
  return null;
end $$;
create trigger withdraw_cases after update of status on release for each row
  when (old.status = 'sealed' and new.status in ('building', 'discarded')) execute function withdraw_cases();
alter table release enable always trigger withdraw_cases;

revoke execute on function case_guard(), withdraw_cases() from public;
grant select on review_case to {prefix}_writer, {prefix}_gate, {prefix}_promoter;
grant insert (kind, subject, digest, release_id, facts), update (state, release_id, facts) on review_case to {prefix}_writer, {prefix}_gate;
grant update (told_state) on review_case to {prefix}_writer;
