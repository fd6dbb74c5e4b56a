"""The gateway: where decisions come in, from the EHR, from other front ends and from the reviewers' own pages.

    webhooks/  the EHR's notifications
    api/       REST, for other front ends
    pages/     the built-in inbox
    identity/  who somebody is: any OpenID Connect provider, or names in a file where only this machine is listened to

All three ways end in `deliveries.py`: a request is kept in a row before it is acknowledged, and delivered to its review as an Update
of the same id until there is an answer. Read that first.
"""
