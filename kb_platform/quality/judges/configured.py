"""The judge that the settings name."""

from kb_platform.knowledge.errors import ConfigError
from kb_platform.quality.judges.endpoint import Endpoint, Judge
from kb_platform.settings import Settings


def configured_judge(settings: Settings) -> Judge | None:
    """Return the judge and the answering model, which is the judge where no other is named; None where no judge is configured.

    Raises:
        ConfigError: an address without a model.
    """
    if settings.judge_url is None:
        return None
    if settings.judge_model is None:
        raise ConfigError("KB_JUDGE_MODEL is not set", where="environment", expected="the model that KB_JUDGE_URL serves",
                          action="set it, or unset KB_JUDGE_URL")
    key = settings.judge_api_key.get_secret_value() if settings.judge_api_key else None
    judging = Endpoint(settings.judge_url, settings.judge_model, key, settings.judge_timeout, settings.judge_concurrency,
                       settings.judge_response_format, settings.judge_input_price, settings.judge_output_price)
    return Judge(judging, _answering(settings, judging))


def _answering(settings: Settings, judging: Endpoint) -> Endpoint:
    """Return the answering model. A key goes to its own address only, a price belongs to its own model only."""
    url, model = settings.answer_url or judging.url, settings.answer_model or judging.model
    same_place, same_model = url == judging.url, (url, model) == (judging.url, judging.model)
    key = settings.answer_api_key.get_secret_value() if settings.answer_api_key else judging.api_key if same_place else None
    read = settings.answer_input_price if settings.answer_input_price is not None else judging.input_price if same_model else None
    write = settings.answer_output_price if settings.answer_output_price is not None else judging.output_price if same_model else None
    return Endpoint(url, model, key, judging.timeout, judging.concurrency, "text", read, write)
