"""Accounts as administrators see them: credits to grant, weights, suspending, and the people who sign in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from secrets import token_hex
from urllib.parse import quote

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from fluxhouse.console.entrance import Entrance, text_of
from fluxhouse.console.office import Deed, Office
from fluxhouse.core import accounts, keys, ledger, people, sessions
from fluxhouse.core.accounts import Account
from fluxhouse.core.ledger import Balance, Entry
from fluxhouse.core.people import Person, Role
from fluxhouse.core.topup import topup
from fluxhouse.generation.credits import to_number
from fluxhouse.generation.errors import InvalidParameter, NotFound

MOST_LISTED = 200
HEAVIEST = 1000
_ENTRIES = 10

Verb = Callable[[Connection, Account, Deed], None]


class UnknownAccount(NotFound):
    """There is no such account."""

    code = "unknown_account"


@dataclass(frozen=True, slots=True)
class File:
    """All that there is about one account."""

    account: Account
    balance: Balance
    entries: list[Entry]
    people: list[Person]
    keys: int


class AdminAccounts:
    """The pages under `/admin/accounts`."""

    def __init__(self, office: Office, entrance: Entrance) -> None:
        self._office = office
        self._entrance = entrance

    def routes(self) -> list[BaseRoute]:
        """The addresses of these pages."""
        one = "/admin/accounts/{account}"
        verbs: dict[str, Verb] = {
            "suspend": _suspend,
            "resume": _resume,
            "weight": _weigh,
            "grant": _grant,
            "role": _change_role,
            "sign-out": _sign_out,
        }
        return [
            Route("/admin/accounts", self.overview, methods=["GET"]),
            Route("/admin/accounts", self.create, methods=["POST"]),
            Route(one, self.one, methods=["GET"]),
            Route(f"{one}/people", self.add_person, methods=["POST"]),
            *(Route(f"{one}/{name}", self._does(verb), methods=["POST"]) for name, verb in verbs.items()),
        ]

    async def overview(self, request: Request) -> Response:
        """Every account with its credits, or those whose name has the text `q`."""
        await self._office.admit(request)
        return await self._list(request)

    async def create(self, request: Request) -> Response:
        """A new account, without credits or people."""
        deed = await self._office.deed(request)
        made: list[Account] = []

        def verb(connection: Connection) -> None:
            try:
                made.append(accounts.create(connection, deed.text("name"), deed.now))
            except ValueError as error:
                raise InvalidParameter(str(error), field="name") from None
            deed.note(connection, "accounts.create", made[-1].name)

        try:
            await self._office.carry_out(deed, verb)
        except InvalidParameter as error:
            return await self._list(request, 400, error)
        return RedirectResponse(f"/admin/accounts/{made[-1].id}", 303)

    async def one(self, request: Request) -> Response:
        """One account, and what can be done about it."""
        await self._office.admit(request)
        return await self._file(request)

    async def add_person(self, request: Request) -> Response:
        """Somebody more who may sign in to the account."""
        deed = await self._office.deed(request)
        account = await self._account(request)
        try:
            address, role = people.normal_address(deed.text("address")), _role(deed)
            digest = await self._entrance.digest(text_of(deed.form, "password"))

            def verb(connection: Connection) -> None:
                people.create(connection, account.id, address, digest, role, deed.now)
                deed.note(connection, "people.create", address, account=account.name, role=role.value)

            await self._office.carry_out(deed, verb)
        except IntegrityError:
            taken = InvalidParameter("somebody has this address already", field="address")
            return await self._file(request, 400, taken)
        except InvalidParameter as error:
            return await self._file(request, 400, error)
        return _back(account, f"{address} may sign in.")

    def _does(self, verb: Verb) -> Callable[[Request], object]:
        async def answer(request: Request) -> Response:
            deed = await self._office.deed(request)
            account = await self._account(request)
            try:
                await self._office.carry_out(deed, lambda connection: verb(connection, account, deed))
            except InvalidParameter as error:
                return await self._file(request, 400, error)
            except IntegrityError:
                twice = InvalidParameter("this very form was granted before", field="amount")
                return await self._file(request, 400, twice)
            return _back(account, "Done, and noted in the audit log.")

        return answer

    async def _list(self, request: Request, status: int = 200, error: InvalidParameter | None = None) -> Response:
        text = request.query_params.get("q", "")[:100]

        def found(connection: Connection) -> tuple[list[Account], dict[str, Balance]]:
            listed = accounts.found(connection, text, MOST_LISTED)
            return listed, ledger.balances_of(connection, [account.id for account in listed])

        listed, balances = await self._office.desk.database.read(found)
        facts = {"accounts": listed, "balances": balances, "text": text, "most": MOST_LISTED}
        return await self._office.page(request, "admin_accounts.html", status, error=error, **facts)

    async def _file(self, request: Request, status: int = 200, error: InvalidParameter | None = None) -> Response:
        account = await self._account(request)
        file = await self._office.desk.database.read(lambda connection: _read(connection, account))
        return await self._office.page(
            request,
            "admin_account.html",
            status,
            error=error,
            file=file,
            heaviest=HEAVIEST,
            nonce=token_hex(8),
            done=request.query_params.get("done", "")[:200],
        )

    async def _account(self, request: Request) -> Account:
        account_id = request.path_params["account"]
        account = await self._office.desk.database.read(lambda connection: accounts.find(connection, account_id))
        if account is None:
            raise UnknownAccount
        return account


def _read(connection: Connection, account: Account) -> File:
    return File(
        account,
        ledger.balance(connection, account.id),
        ledger.entries(connection, account.id, _ENTRIES),
        people.of_account(connection, account.id),
        sum(key.revoked_at is None for key in keys.of_account(connection, account.id)),
    )


def _back(account: Account, done: str) -> Response:
    return RedirectResponse(f"/admin/accounts/{account.id}?done={quote(done)}", 303)


def _suspend(connection: Connection, account: Account, deed: Deed) -> None:
    """Keys and sessions of the account stop working at once; its jobs run on."""
    if account.id == deed.session.person.account_id:
        raise InvalidParameter("you would lock yourself out: this is your own account", field="why-suspend")
    accounts.suspend(connection, account.id, suspended=True)
    deed.note(connection, "accounts.suspend", account.name)


def _resume(connection: Connection, account: Account, deed: Deed) -> None:
    accounts.suspend(connection, account.id, suspended=False)
    deed.note(connection, "accounts.resume", account.name)


def _weigh(connection: Connection, account: Account, deed: Deed) -> None:
    weight = deed.number("weight")
    if not 1 <= weight <= HEAVIEST:
        raise InvalidParameter(f"a weight is from 1 to {HEAVIEST}", field="weight")
    accounts.weigh(connection, account.id, weight)
    deed.note(connection, "accounts.weight", account.name, before=account.weight, weight=weight)


def _grant(connection: Connection, account: Account, deed: Deed) -> None:
    """The form's nonce in the reference makes a form that is sent twice grant once."""
    amount_micro = deed.amount_micro("amount")
    reference = f"{deed.why[:150]} ({deed.text('nonce')[:16]})"
    try:
        topup(connection, account.name, amount_micro, deed.now, reference)
    except ValueError as error:
        raise InvalidParameter(str(error), field="amount") from None
    deed.note(connection, "credits.grant", account.name, credits=str(to_number(amount_micro)))


def _change_role(connection: Connection, account: Account, deed: Deed) -> None:
    person, role = _person(connection, account, deed), _role(deed)
    people.set_role(connection, person.id, role)
    deed.note(connection, "people.role", person.address, before=person.role.value, role=role.value)


def _sign_out(connection: Connection, account: Account, deed: Deed) -> None:
    person = _person(connection, account, deed)
    sessions.end_all(connection, person.id)
    deed.note(connection, "people.sign_out", person.address)


def _person(connection: Connection, account: Account, deed: Deed) -> Person:
    """The account's person that the form is about, never the administrator's own self."""
    named = deed.text("person")
    person = next((one for one in people.of_account(connection, account.id) if one.id == named), None)
    if person is None:
        raise InvalidParameter("there is no such person in this account", field="people")
    if person.id == deed.session.person.id:
        raise InvalidParameter("what is yours you change on your own page", field="people")
    return person


def _role(deed: Deed) -> Role:
    try:
        return Role(deed.text("role"))
    except ValueError:
        raise InvalidParameter("a role is member or admin", field="role") from None
