-- What applications read beside searches, each from one release that a reader may read: documents, chunks, which release was live at a
-- time; and what their users say of what was found, which is only ever added to.

create function release_at(p_at timestamptz) returns int
language plpgsql stable security definer set search_path = {schema}, pg_temp as $$
declare found int := (select l.to_release from promotion_log l where l.at <= p_at order by l.id desc limit 1);
begin
  if found is null then
    raise exception 'nothing was promoted by %', p_at using errcode = 'no_data_found';
  end if;
  return readable_release(found);
end $$;

create function read_document(p_release int, p_source text, p_doc_id text)
returns table (title text, metadata jsonb, media_type text, source_object text, day date)
language sql stable security definer set search_path = {schema}, pg_temp as $$
  select d.title, d.metadata, d.media_type, d.source_object, d.day
  from readable_release(p_release) r
  join document_version d on d.source = p_source and d.doc_id = p_doc_id and d.valid_from <= r and d.valid_to > r
$$;

create function read_document_chunks(p_release int, p_source text, p_doc_id text)
returns table (chunk_id bigint, start_char int, end_char int, content text)
language sql stable security definer set search_path = {schema}, pg_temp as $$
  select k.id, p.start_char, p.end_char, k.content
  from readable_release(p_release) r
  join release l on l.release_id = r
  join document_version d on d.source = p_source and d.doc_id = p_doc_id and d.valid_from <= r and d.valid_to > r
  join passage p on p.version_id = d.id
  join chunk k on k.space_id = l.space_id and k.source = d.source and k.doc_id = d.doc_id and k.content_hash = p.content_hash
    and k.dup_no = p.dup_no and k.valid_from <= r and k.valid_to > r
  order by p.start_char, p.ordinal
$$;

create function read_chunk(p_release int, p_chunk bigint)
returns table (source text, doc_id text, title text, start_char int, end_char int, content text, metadata jsonb, media_type text,
               source_object text, day date)
language sql stable security definer set search_path = {schema}, pg_temp as $$
  select k.source, k.doc_id, d.title, p.start_char, p.end_char, k.content, d.metadata, d.media_type, d.source_object, d.day
  from readable_release(p_release) r
  join release l on l.release_id = r
  join chunk k on k.space_id = l.space_id and k.id = p_chunk and k.valid_from <= r and k.valid_to > r
  join document_version d on d.source = k.source and d.doc_id = k.doc_id and d.valid_from <= r and d.valid_to > r
  join passage p on p.version_id = d.id and p.content_hash = k.content_hash and p.dup_no = k.dup_no
$$;

create table feedback (
  feedback_id bigint generated always as identity primary key,
  at          timestamptz not null default clock_timestamp(),
  release_id  int not null references release,
  question    text not null check (length(question) <= 4000),
  helpful     bool,
  chunks      bigint[] not null check (cardinality(chunks) <= 100),
  comment     text not null check (length(comment) <= 4000),
  by_key      text not null check (length(by_key) <= 100),
  by_user     text not null default session_user
);
create trigger append_only before update or delete on feedback for each statement execute function refuse();
create trigger no_truncate before truncate on feedback for each statement execute function refuse();
alter table feedback enable always trigger append_only;
alter table feedback enable always trigger no_truncate;

-- A reader gives feedback about what it may read, and reads none.
create function give_feedback(p_release int, p_question text, p_helpful bool, p_chunks bigint[], p_comment text, p_key text) returns bigint
language sql volatile security definer set search_path = {schema}, pg_temp as $$
  insert into feedback (release_id, question, helpful, chunks, comment, by_key)
  values (readable_release(p_release), p_question, p_helpful, p_chunks, p_comment, p_key) returning feedback_id
$$;

revoke execute on function release_at(timestamptz), read_document(int, text, text), read_document_chunks(int, text, text), read_chunk(int, bigint),
  give_feedback(int, text, bool, bigint[], text, text) from public;
grant execute on function release_at(timestamptz), read_document(int, text, text), read_document_chunks(int, text, text), read_chunk(int, bigint),
  give_feedback(int, text, bool, bigint[], text, text) to {prefix}_reader;
grant select on feedback to {prefix}_gate;
