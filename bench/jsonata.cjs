// The engine of the language's authors on the same template, with our helpers in JavaScript.
// Standard input: {module, template, documents, bindings, rounds, seconds}; output: by document the result, and
// microseconds of processor time for one rendering, JSON text to JSON text, by round.
const { createHash } = require('node:crypto')
const sha256 = text => createHash('sha256').update(text).digest('hex')
const used = () => process.cpuUsage().user + process.cpuUsage().system
const email = text => text == null ? undefined : text.trim().toLowerCase() || undefined

async function main () {
  const given = JSON.parse(require('node:fs').readFileSync(0, 'utf8'))
  const jsonata = require(given.module)
  const expression = jsonata(given.template)
  expression.registerFunction('email', email)
  expression.registerFunction('emailHash', text => email(text) && sha256(email(text)))
  expression.registerFunction('messageKey', (...parts) => parts.join('/'))
  expression.registerFunction('money', minor => minor == null ? undefined : minor / 100)
  const render = async text => JSON.stringify(await expression.evaluate(JSON.parse(text), given.bindings))
  const results = []
  const rounds = []
  for (const text of given.documents) {
    results.push(await render(text))
    for (const until = used() + 1e6 * given.seconds; used() < until;) await render(text)
    const microseconds = []
    for (let round = 0; round < given.rounds; round++) {
      const started = used()
      let times = 0
      for (; used() < started + 1e6 * given.seconds; times++) await render(text)
      microseconds.push((used() - started) / times)
    }
    rounds.push(microseconds)
  }
  console.log(JSON.stringify({ version: require(given.module + '/package.json').version, results, rounds }))
}
main()
