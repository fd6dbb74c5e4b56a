-- What models said, by the hash of what they were asked: the same question is paid for once. A row says what was said and is never
-- changed. `vote` is in the key: five votes are five rows, not one vote read five times.

create table judge_answer (
  key            bytea primary key,
  model          text not null,
  prompt_version text not null,
  answer         text not null,
  requests       int not null,
  input_tokens   int not null,
  output_tokens  int not null,
  cost           double precision,
  at             timestamptz not null default now()
);

create table judge_vote (
  key           bytea not null,
  vote          int not null check (vote >= 0),
  judge         text not null,
  metric        text not null,
  version       text not null,
  score         double precision not null check (score between 0 and 1),
  reason        text not null,
  requests      int not null,
  input_tokens  int not null,
  output_tokens int not null,
  cost          double precision,
  at            timestamptz not null default now(),
  primary key (key, vote)
);
create index judge_vote_repeated on judge_vote (judge, metric, version) where vote > 0;

do $$
declare t text;
begin
  foreach t in array array['judge_answer', 'judge_vote'] loop
    execute format('create trigger no_change before update on %I for each row execute function refuse()', t);
    execute format('alter table %I enable always trigger no_change', t);
  end loop;
end $$;

-- The gate asks and keeps; nobody else reads what models wrote about documents.
revoke all on judge_answer, judge_vote from public;
grant select, insert on judge_answer, judge_vote to {prefix}_gate;
