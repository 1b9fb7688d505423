import { Problem } from "../api/problem";
import * as shapes from "../api/shapes";
import { amountOf, money, time } from "../format";
import { useOnce } from "../request-id";
import { askAs, type Session } from "../session";
import type { Within } from "../telemetry";
import { texts } from "../texts";
import { Field, Form, Show, Table, Title, useLoaded } from "../ui";

export function WalletPage(props: { session: Session; currency: string; moved: () => void }) {
  const { session, currency } = props;
  const say = texts.wallet;
  const entries = useLoaded(() => askAs(session, "GET", "wallet/entries?limit=20", shapes.entries));
  const deposit = useOnce();
  const withdraw = useOnce();

  function moved() {
    entries.reload();
    props.moved();
  }

  async function putIn(values: FormData, within: Within): Promise<string> {
    const amount = typed(values);
    await deposit(`${amount}`, (request_id) =>
      within(() => askAs(session, "POST", "deposits", shapes.entry, { request_id, amount })),
    );
    moved();
    return say.deposited(money(amount, currency));
  }

  async function takeOut(values: FormData, within: Within): Promise<string> {
    const amount = typed(values);
    const state = await withdraw(`${amount}`, async (request_id) => {
      await within(() => askAs(session, "POST", "withdrawals", shapes.entry, { request_id, amount }));
      return (await within(() => askAs(session, "GET", `transfers/${request_id}`, shapes.transfer))).state;
    });
    moved();
    return (state === "pending" ? say.pending : say.withdrawn)(money(amount, currency));
  }

  return (
    <>
      <Title>{say.title}</Title>
      <div className="pair">
        {[
          { label: say.deposit, send: putIn, action: "deposit", quiet: false },
          { label: say.withdraw, send: takeOut, action: "withdraw", quiet: true },
        ].map((form) => (
          <section className="card" key={form.action}>
            <h2>{form.label}</h2>
            <Form {...form}>
              {(problems) => (
                <Field
                  name="amount"
                  label={`${say.amount} (${currency})`}
                  hint={say.amountHint}
                  inputMode="decimal"
                  autoComplete="off"
                  maxLength={16}
                  problem={problems.amount}
                />
              )}
            </Form>
          </section>
        ))}
      </div>
      <h2>{say.entries}</h2>
      <Show of={entries}>
        {(found) =>
          found.length === 0 ? (
            <p className="hint">{say.none}</p>
          ) : (
            <Table label={say.entries} head={Object.values(say.columns)}>
              {found.map((entry) => (
                <tr key={`${entry.request_id} ${entry.kind}`}>
                  <td>{time(entry.created_at)}</td>
                  <td>{say.kinds[entry.kind] ?? entry.kind}</td>
                  <td className={`number ${entry.amount < 0 ? "out" : "in"}`}>{money(entry.amount, currency)}</td>
                  <td className="number">{money(entry.balance_after, currency)}</td>
                </tr>
              ))}
            </Table>
          )
        }
      </Show>
    </>
  );
}

function typed(values: FormData): number {
  const amount = amountOf(String(values.get("amount")));
  if (amount === undefined) throw new Problem(texts.wallet.notAmount, 422, { amount: texts.wallet.notAmount });
  return amount;
}
