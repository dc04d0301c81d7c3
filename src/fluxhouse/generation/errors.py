"""Every way in which a request can end badly, as one tree.

PlatformError                       code, message
  RequestRejected                   400  field
    InvalidParameter                     the value is not allowed; says what is
    UnsupportedParameter                 the contract knows it, this installation cannot do it yet
    InputImageRefused                    an input picture could not be fetched, read or accepted
    LoraRefused                          a LoRA could not be fetched, is of no known format or does not fit the model
    PromptRefused                        moderation refused the prompt
      ContentModerated                   or what came of it
    FileQuotaExceeded               413  the account keeps too many bytes of uploaded files
  AccessDenied                      401
    InvalidKey                           missing, unknown, expired or revoked
    KeyNotAllowed                   403  lacks the scope or the model
    AccountSuspended                403
  InsufficientCredits               402  required_micro, available_micro
    SpendCapReached                 402  this key's own cap
  RateLimited                       429  retry_after_seconds
  NotFound                          404  field
    UnknownModel
    UnknownJob
    UnknownFile
    UnknownLora
    UnknownWebhook                       the job has none
  Gone                              410  the output has expired or was deleted
  Conflict                          409
    JobAlreadyEnded
    IdempotencyMismatch             422
  ModelUnavailable                  503  no backend serves it now
  StorageUnavailable                503  the store is full, read-only or out of reach
  DatabaseUnavailable               503  the database does not answer; what was asked may have happened
  GenerationFailed                       ends a job, free of charge; retryable
    EngineDied                           the engine process ended while it had the job
    EngineCrashed                        this job ended the engine twice
    AttemptsExhausted                    every attempt was ended by the death of a process
    JobExpired                           not started before `expiresAt`
    OutOfMemory
    WeightsUnavailable
    UpsamplingFailed                     no language model has written the prompt out
    ProviderFailed                       a provider did not make the image; charged
      ProviderUnavailable                it cannot be reached, is busy or has failed too often: later it may
      ProviderRefused                    it does not make such images
      ProviderSilent                     nobody knows whether it was sent for the image before this process began

The numbers are the native dialect's; no class carries one, because each dialect answers the same event with its own
code and body. The docstring of a class is its default message.
"""

_LONGEST_FIELD = 100  # characters; an unknown field has whatever name the caller gave it


class PlatformError(Exception):
    """The platform could not do what was asked."""

    code = "server_error"

    def __init__(self, message: str | None = None, *, field: str | None = None) -> None:
        self.message = _sayable(message or (type(self).__doc__ or "").strip())
        self.field = None if field is None else _sayable(field[:_LONGEST_FIELD])
        super().__init__(self.message)


class RequestRejected(PlatformError):
    """The request is not valid."""

    code = "invalid_request"


class InvalidParameter(RequestRejected):
    """A parameter has a value that is not allowed."""

    code = "invalid_parameter"


class UnsupportedParameter(RequestRejected):
    """This installation cannot do what the parameter asks for."""

    code = "unsupported_parameter"


class InputImageRefused(RequestRejected):
    """The input image could not be used."""

    code = "invalid_image"


class LoraRefused(RequestRejected):
    """The LoRA could not be used."""

    code = "invalid_lora"


class PromptRefused(RequestRejected):
    """The prompt was refused by moderation."""

    code = "prompt_refused"


class ContentModerated(PromptRefused):
    """Every picture was withheld by moderation."""

    code = "content_moderated"


class FileQuotaExceeded(RequestRejected):
    """The uploaded files of this account take all the room it has."""

    code = "storage_quota_exceeded"


class AccessDenied(PlatformError):
    """Access denied."""

    code = "access_denied"


class InvalidKey(AccessDenied):
    """The API key is missing, unknown, expired or revoked."""

    code = "invalid_api_key"


class KeyNotAllowed(AccessDenied):
    """This API key may not do that."""

    code = "key_not_allowed"


class AccountSuspended(AccessDenied):
    """This account is suspended."""

    code = "account_suspended"


class InsufficientCredits(PlatformError):
    """Not enough credits for this request."""

    code = "insufficient_credits"

    def __init__(
        self, message: str | None = None, *, required_micro: int = 0, available_micro: int = 0, field: str | None = None
    ) -> None:
        super().__init__(message, field=field)
        self.required_micro = required_micro
        self.available_micro = available_micro


class SpendCapReached(InsufficientCredits):
    """This API key has reached its spend cap."""

    code = "spend_cap_reached"


class RateLimited(PlatformError):
    """Too many requests; retry later."""

    code = "rate_limited"

    def __init__(self, message: str | None = None, *, retry_after_seconds: int = 1) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class NotFound(PlatformError):
    """Not found."""

    code = "not_found"


class UnknownModel(NotFound):
    """There is no such model."""

    code = "model_not_found"


class UnknownJob(NotFound):
    """There is no such job."""

    code = "job_not_found"


class UnknownFile(NotFound):
    """There is no such file."""

    code = "file_not_found"


class UnknownLora(NotFound):
    """There is no such LoRA."""

    code = "lora_not_found"


class UnknownWebhook(NotFound):
    """This job has no webhook."""

    code = "webhook_not_found"


class Gone(PlatformError):
    """The output has expired or was deleted."""

    code = "output_expired"


class Conflict(PlatformError):
    """The request conflicts with the present state."""

    code = "conflict"


class JobAlreadyEnded(Conflict):
    """The job has already ended."""

    code = "job_already_ended"


class IdempotencyMismatch(Conflict):
    """This idempotency key was used with another request."""

    code = "idempotency_mismatch"


class ModelUnavailable(PlatformError):
    """No backend of this installation serves the model now."""

    code = "model_unavailable"


class StorageUnavailable(PlatformError):
    """Files cannot be kept or read now."""

    code = "storage_unavailable"


class DatabaseUnavailable(PlatformError):
    """The database does not answer; retry with the same idempotency key."""

    code = "database_unavailable"


class GenerationFailed(PlatformError):
    """The images could not be made."""

    code = "generation_failed"
    retryable = True


class EngineDied(GenerationFailed):
    """The engine process ended while it had the job."""

    code = "engine_died"

    def __init__(self, message: str | None = None, *, field: str | None = None, on_device: bool = True) -> None:
        super().__init__(message, field=field)
        self.on_device = on_device  # Whether the device had begun with it, so that it may be why.


class EngineCrashed(GenerationFailed):
    """This job ended the engine twice and was not tried again."""

    code = "engine_crashed"
    retryable = False


class AttemptsExhausted(GenerationFailed):
    """Every attempt at this job was ended by the death of a process."""

    code = "attempts_exhausted"


class JobExpired(GenerationFailed):
    """The job was not started before it expired."""

    code = "expired"


class OutOfMemory(GenerationFailed):
    """The device has not enough memory for this request."""

    code = "out_of_memory"
    retryable = False


class WeightsUnavailable(GenerationFailed):
    """The weights of the model could not be loaded."""

    code = "weights_unavailable"


class UpsamplingFailed(GenerationFailed):
    """The language model did not write the prompt out."""

    code = "upsampling_failed"


class ProviderFailed(GenerationFailed):
    """The provider did not make the image."""

    code = "provider_failed"

    def __init__(self, message: str | None = None, *, field: str | None = None, charged: bool = False) -> None:
        super().__init__(message, field=field)
        self.charged = charged  # Whether the provider may have charged for it all the same.


class ProviderUnavailable(ProviderFailed):
    """The provider cannot take work now."""

    code = "provider_unavailable"


class ProviderRefused(ProviderFailed):
    """The provider does not make such images."""

    code = "provider_refused"
    retryable = False


class ProviderSilent(ProviderFailed):
    """Whether the provider was sent for the image is not known; it was not sent for twice."""

    code = "provider_silent"


def _sayable(text: str) -> str:
    """`text` as it can be sent: a caller's own words may hold half a character, which UTF-8 has no bytes for."""
    return text.encode(errors="replace").decode()
