import test from 'ava'
import { pmem } from 'pmem'
import { rejects, throws } from './helpers/errors.js'
import { mapped, text } from './helpers/files.js'

const failure = new Error('the body failed')
const fail = (): never => {
  throw failure
}

for (const Context of [pmem.FlushContext, pmem.DrainContext]) {
  const { name } = Context

  test(`${name}: run gives what its body gives, and unmaps`, (t) => {
    const { path, region } = mapped(t)
    const context = new Context(region)
    t.is(context.region, region)
    t.is(context.run((given) => given.write('written')), 7)
    t.true(region.closed)
    t.is(text(path, 7), 'written')
  })

  test(`${name}: run without unmapping, several times`, (t) => {
    const { path, region } = mapped(t)
    const context = new Context(region, { unmap: false })
    context.run(() => region.write('one'))
    context.run(() => region.write('two'))
    t.false(region.closed)
    t.is(text(path, 6), 'onetwo')
  })

  test(`${name}: run ends the context where its body throws`, (t) => {
    for (const unmap of [true, false, undefined]) {
      const { region } = mapped(t)
      const context = new Context(region, unmap === undefined ? undefined : { unmap })
      t.is(t.throws(() => context.run(fail)), failure)
      t.is(region.closed, unmap ?? true)
    }
  })

  test(`${name}: what a body throws goes before a failing end`, (t) => {
    const { region } = mapped(t, 4096, { readonly: true })
    t.is(t.throws(() => new Context(region).run(fail)), failure)
    t.true(region.closed)
  })

  test(`${name}: run waits for a promise`, async (t) => {
    const { path, region } = mapped(t)
    const result = new Context(region).run(async (given) => {
      await given.persistAsync()
      t.false(given.closed)
      return given.write('later')
    })
    t.false(region.closed)
    t.is(await result, 5)
    t.true(region.closed)
    t.is(text(path, 5), 'later')
  })

  test(`${name}: run ends the context where a promise rejects`, async (t) => {
    for (const unmap of [true, false]) {
      const { region } = mapped(t)
      const result = new Context(region, { unmap }).run(async () => {
        await region.persistAsync()
        return fail()
      })
      t.is(await t.throwsAsync(result), failure)
      t.is(region.closed, unmap)
    }
  })

  test(`${name}: a body may close the region`, async (t) => {
    const { region } = mapped(t)
    t.is(new Context(region).run((given) => (given.close(), 'closed')), 'closed')
    const { region: other } = mapped(t)
    t.is(await new Context(other).run(async (given) => (given.close(), 'closed')), 'closed')
    const { region: third } = mapped(t)
    t.is(t.throws(() => new Context(third).run((given) => (given.close(), fail()))), failure)
  })

  test(`${name}: a scope ends it, also by a throw`, (t) => {
    const { region } = mapped(t)
    const thrown = t.throws(() => {
      using context = new Context(region)
      context.region.write('x')
      fail()
    })
    t.is(thrown, failure)
    t.true(region.closed)
  })

  test(`${name}: scopes nest`, (t) => {
    const { path, region } = mapped(t)
    {
      using outer = new Context(region)
      {
        using inner = new Context(outer.region, { unmap: false })
        inner.region.write('inner ')
      }
      outer.region.write('outer')
    }
    t.true(region.closed)
    t.is(text(path, 11), 'inner outer')
  })

  test(`${name}: disposing after a close does nothing, and neither does disposing twice`, (t) => {
    const { region } = mapped(t)
    const context = new Context(region)
    context[Symbol.dispose]()
    t.true(region.closed)
    t.notThrows(() => context[Symbol.dispose]())
    const { region: other } = mapped(t)
    const early = new Context(other)
    other.close()
    t.notThrows(() => early[Symbol.dispose]())
  })

  test(`${name}: a closed region has no context`, async (t) => {
    const { region } = mapped(t)
    const context = new Context(region)
    region.close()
    throws(t, 'ERR_PMEM_CLOSED', () => new Context(region))
    throws(t, 'ERR_PMEM_CLOSED', () => context.run(() => t.fail('the body ran')))
    throws(t, 'ERR_PMEM_CLOSED', () => context.run(async () => t.fail('the body ran')))
  })
}

test('FlushContext: what cannot be flushed is unmapped all the same', async (t) => {
  const { path, region } = mapped(t, 4096, { readonly: true })
  throws(t, { code: 'EACCES', path }, () => new pmem.FlushContext(region).run(() => 0))
  t.true(region.closed)
  const { path: other, region: later } = mapped(t, 4096, { readonly: true })
  await rejects(t, { code: 'EACCES', path: other }, () => new pmem.FlushContext(later).run(async () => 0))
  t.true(later.closed)
})
