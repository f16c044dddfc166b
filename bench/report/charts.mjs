// Charts as SVG, which read well on light pages and dark ones.
import * as echarts from 'echarts'
import { written } from './figures.mjs'

const [TEXT, LINE, OURS, THEIRS] = ['#7d8590', '#7d859055', '#2f81f7', '#8b949e']

/** Bars from the best to the worst: `rows` are `{ peer, value }`. The axis is logarithmic where the worst is more than fifty times the best. */
export function bars(title, rows, unit) {
  const sorted = rows.toSorted((a, b) => (unit === 'rate' ? a.value - b.value : b.value - a.value))
  const values = sorted.map(({ value }) => value)
  const isWide = Math.max(...values) > 50 * Math.min(...values)
  const label = { show: true, position: 'right', color: TEXT, formatter: ({ value }) => written(value, unit) }
  const data = sorted.map(({ peer, value }) => ({ value, itemStyle: { color: peer.startsWith('pmem') ? OURS : THEIRS } }))
  const axis = { axisLabel: { show: false }, axisLine: { show: false }, axisTick: { show: false }, splitLine: { lineStyle: { color: LINE } } }
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: 720, height: 90 + 30 * rows.length })
  chart.setOption({
    animation: false,
    textStyle: { fontFamily: 'system-ui, sans-serif' },
    title: { text: title, subtext: isWide ? 'logarithmic' : '', textStyle: { color: TEXT, fontSize: 15 }, subtextStyle: { color: TEXT } },
    grid: { left: 16, right: 90, top: 60, bottom: 8, containLabel: true },
    xAxis: { type: isWide ? 'log' : 'value', ...axis },
    yAxis: { type: 'category', data: sorted.map(({ peer }) => peer), axisLabel: { color: TEXT, fontSize: 13 }, axisLine: { lineStyle: { color: LINE } }, axisTick: { show: false } },
    series: [{ type: 'bar', data, label, barWidth: 18, itemStyle: { borderRadius: 3 } }],
  })
  const svg = chart.renderToSVGString()
  chart.dispose()
  return svg
}
