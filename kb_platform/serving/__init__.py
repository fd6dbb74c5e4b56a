"""What applications ask: an HTTP API, and the same as tools of the Model Context Protocol, over what is promoted.

    app         all routes, and what holds for each of them; read this first
    routes      one function a route, messages the values on the wire
    tools       `search` and `fetch` for models: the same over MCP
    guard       what holds before any route: who may call this machine, sizes, times, one line of log, one metric
    callers     who calls: keys and their grants, or anybody on the loopback
    rates       how often a key may ask
    bases       knowledge bases as their YAML says now, each read through its reader's role
    questions   takes questions of many requests, and answers those that wait together
    process     the server
    address     by which `kb search` finds a server of its home: read and written without libraries

Each request reads one release, which is chosen when its turn comes and named in the answer: a promotion meanwhile mixes nothing. What was asked
and found is in no log and no metric.
"""
