export async function report(figures, info) { console.log(JSON.stringify(figures.map(f=>[f.workload,f.column,f.unit,f.values.map(v=>+v.toPrecision(3))])), info); }
